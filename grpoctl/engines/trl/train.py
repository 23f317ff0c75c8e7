"""What happens between a checked recipe and a trained model, on the TRL engine?"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig

from grpoctl.engines.base import Outcome, TrainJob
from grpoctl.engines.trl import load, threads
from grpoctl.engines.trl.sampler import TrlSampler
from grpoctl.engines.trl.trainer import GroupTrainer
from grpoctl.engines.trl.translate import grpo_arguments
from grpoctl.errors import Finding, GrpoctlError, ModelError
from grpoctl.evaluate import evaluate
from grpoctl.machine import read_machine
from grpoctl.problems import HELD_OUT
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.evals import EvalFiles, eval_stem
from grpoctl.run.events import lasting, read_events
from grpoctl.run.files import write_json

_log = logging.getLogger(__name__)

# What transformers writes beside the model that plain peft and transformers have no use for.
_NOT_THE_MODEL = ("training_args.bin", "README.md")


def train(job: TrainJob) -> Outcome:
    """Load, evaluate, train, keep the model, evaluate again."""
    load.quieten_libraries()
    _check_world_size(job)
    count = threads.given_threads(job.recipe.num_threads)
    if count is not None:
        torch.set_num_threads(count)
    trainer, sampler = _build(job)
    if trainer.accelerator.device.type == "cpu":
        _settle_threads(job, trainer, count)
    session = _Session(job, trainer, sampler)
    trainer.add_callback(session)
    trainer.on_checkpoint = session.checkpoint_saved
    try:
        outcome = session.run()
        if torch.distributed.is_initialized():
            # A process that ends while its threads still talk to the others' aborts.
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()
        return outcome
    except torch.OutOfMemoryError as error:
        raise GrpoctlError(
            f"the device is out of memory ({str(error).partition('. ')[0]}); lower per_device_train_batch_size, "
            "num_generations or max_completion_length, or take finetuning_type: lora."
        ) from error


def _build(job: TrainJob) -> tuple[GroupTrainer, TrlSampler]:
    recipe = job.recipe
    tokenizer = load.load_tokenizer(recipe, job.model)
    model = load.load_model(recipe, job.model)
    ends = load.end_ids(tokenizer, model, recipe.template)
    model.generation_config.eos_token_id = list(ends)  # where TRL looks for them
    _refuse_unknown_tokens(tokenizer, model, job)
    arguments = GRPOConfig(**grpo_arguments(recipe, str(job.run.path), on_cpu=not torch.cuda.is_available()))
    if arguments.device.type == "cpu":
        # Of several processes each gets a cpu:N, which torch.load does not know as a place when a run is resumed.
        arguments.__dict__["_setup_devices"] = torch.device("cpu")
    trainer = GroupTrainer(
        problems=job.problems,
        scorer=job.scorer,
        run=job.run,
        keep=recipe.save_total_limit,
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(
            {"prompt": [problem.prompt for problem in job.problems], "problem": list(range(len(job.problems)))}
        ),
        processing_class=tokenizer,
        peft_config=load.lora_config(recipe),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer, TrlSampler(trainer.model, tokenizer, ends, recipe.max_completion_length or 0)


def _refuse_unknown_tokens(tokenizer: Any, model: Any, job: TrainJob) -> None:
    """A tokenizer of another model gives numbers that this one has no row for."""
    known = model.config.get_text_config().vocab_size
    for problem in (*job.problems, *job.eval_problems):
        if max(tokenizer(problem.prompt, add_special_tokens=False)["input_ids"], default=0) >= known:
            problem_said = f"knows {known} tokens, and a prompt has others"
            raise ModelError(Finding(problem_said, "give the tokenizer that belongs to the model", file=str(job.model)))


def _settle_threads(job: TrainJob, trainer: GroupTrainer, count: int | None) -> None:
    """Try how many threads are fastest, unless that is given, and write the number into the resolved recipe."""
    if count is None:
        count, seconds = threads.probe(trainer.rehearse, read_machine().cpu_count)
        steps, step_s = job.max_steps, seconds * job.recipe.gradient_accumulation_steps
        _log.info(
            "%d thread%s: about %.2g s a step, so %d steps take about %s.",
            count, "s" * (count > 1), step_s, steps, in_words(steps * step_s),
        )  # fmt: skip
    if trainer.accelerator.is_main_process:
        job.recipe = job.recipe.model_copy(update={"num_threads": count})
        write_json(job.run.resolved, job.recipe.model_dump(mode="json"))


def in_words(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Session(TrainerCallback):  # type: ignore[misc]
    """One training as the run folder sees it: its evals, its events, its end."""

    def __init__(self, job: TrainJob, trainer: GroupTrainer, sampler: TrlSampler) -> None:
        self._job, self._trainer, self._sampler = job, trainer, sampler

    def run(self) -> Outcome:
        job, trainer = self._job, self._trainer
        reached = checkpoints.step_of(job.checkpoint)
        if reached == 0 or self._lacks_its_evaluation(reached):
            self._evaluate(reached)
        if self._stop_signal() is None:
            if reached < job.max_steps:
                trainer.train(resume_from_checkpoint=str(job.checkpoint) if job.checkpoint else None)
                reached = trainer.state.global_step
            else:  # all steps are done, and only what comes after them is missing
                trainer._load_from_checkpoint(str(job.checkpoint))
        if reached >= job.max_steps:
            self._keep_model()
            if self._evaluate(reached):
                return Outcome(reached, job.max_steps)  # a signal that comes now finds nothing left to stop
        return Outcome(reached, job.max_steps, self._stop_signal())

    def _lacks_its_evaluation(self, step: int) -> bool:
        """Whether the run was stopped in place of the evaluation that its recipe wants behind this step."""
        recipe = self._job.recipe
        if recipe.eval_strategy != "steps" or step % (recipe.eval_steps or 1) or step >= self._job.max_steps:
            return False
        events = lasting(read_events(self._job.run.events)[0])
        return not any(event["event"] == ev.EVAL and event.get("step") == step for event in events)

    # --- called by the trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        state.compute_steps(args, state.max_steps)  # a checkpoint brings how often its own recipe logged and saved

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        recipe, step = self._job.recipe, state.global_step
        if self._stop_signal() is not None:
            control.should_save = control.should_training_stop = True
        elif recipe.eval_strategy == "steps" and step % (recipe.eval_steps or 1) == 0 and step < state.max_steps:
            self._evaluate(step)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._job.recipe.eval_strategy == "epoch" and state.global_step < state.max_steps:
            self._evaluate(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or "reward" not in logs or not self._trainer.accelerator.is_main_process:
            return  # the summary at the end is no step
        self._write_samples(state.global_step)
        self._job.stream.tell(ev.STEP, **self._step_fields(state.global_step, logs))

    def checkpoint_saved(self, step: int) -> None:
        self._job.stream.tell(ev.CHECKPOINT, step=step)

    # ---

    def _step_fields(self, step: int, logs: dict[str, Any]) -> dict[str, Any]:
        step_time_s = float(logs.get("step_time") or 0.0)
        completions = self._trainer.args.generation_batch_size / self._job.recipe.num_iterations
        tokens = completions * float(logs["completions/mean_length"])
        left_out = ("step_time", "frac_reward_zero_std", "epoch", "num_tokens")
        return {
            "step": step,
            "max_steps": self._job.max_steps,
            "kl": None,  # without a reference there is none; the trainer's own value replaces this one
            **{name: value for name, value in logs.items() if name not in left_out},
            "epoch": logs.get("epoch"),
            "step_time_s": round(step_time_s, 4),
            "tokens_per_s": round(tokens / step_time_s, 1) if step_time_s else None,
        }

    def _write_samples(self, step: int) -> None:
        path = self._job.run.completions(step)
        samples = [json.dumps({"step": step, **sample}, ensure_ascii=False) for sample in self._trainer.samples]
        self._trainer.samples = []
        if not samples:
            return  # this step used those of an earlier one again
        with _forgiving("completions"):
            _made(path.parent)
            path.write_text("\n".join(samples) + "\n", encoding="utf-8")
            file = str(path.relative_to(self._job.run.path))
            self._job.stream.tell(ev.SAMPLES, step=step, file=file, count=len(samples))

    def _evaluate(self, step: int) -> bool:
        """Whether it came to its end."""
        job = self._job
        if not job.eval_problems or not self._trainer.accelerator.is_main_process:
            return False
        with self._trainer.accelerator.autocast():
            done = evaluate(
                self._sampler,
                job.eval_problems,
                job.recipe,
                job.scorer.for_trial(),
                interrupted=lambda: job.stop_signal() is not None,
            )
        if done is None:
            return False
        report, samples = done
        dataset = ",".join(job.recipe.eval_dataset) or f"{','.join(job.recipe.dataset)} ({HELD_OUT})"
        fields = {"step": step, "dataset": dataset, **report.as_json()}
        with _forgiving("the evaluation"):
            kept = EvalFiles(job.run.evals, eval_stem(report.mode, step))
            kept.begin({"step": step, "dataset": dataset, "mode": report.mode, "n": report.n}, [])
            kept.add([sample.as_json() for sample in samples])
            kept.finish(fields)
        job.stream.tell(ev.EVAL, **fields)
        return True

    def _stop_signal(self) -> int | None:
        """The signal that any process got, so that all of them stop behind the same step."""
        mine, accelerator = self._job.stop_signal(), self._trainer.accelerator
        if accelerator.num_processes == 1:
            return mine
        flag = torch.tensor(mine or 0, device=accelerator.device)
        return int(accelerator.gather(flag).max()) or None

    def _keep_model(self) -> None:
        """The trained model in the run folder itself, each file put in place whole."""
        run, beside = self._job.run, self._job.run.incoming / "model"
        with checkpoints.said_in_one_line(run.path / "the model", run):
            self._trainer.save_model(str(beside), _internal_call=True)
            if self._trainer.accelerator.is_main_process:
                for path in sorted(beside.iterdir()):
                    if path.name not in _NOT_THE_MODEL:
                        path.replace(run.path / path.name)
                checkpoints.clear_incoming(run)


@contextmanager
def _forgiving(what: str) -> Iterator[None]:
    """A record that cannot be written is no reason to stop learning."""
    try:
        yield
    except OSError as error:
        _log.warning("%s cannot be written (%s); the run goes on.", what, error.strerror)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _check_world_size(job: TrainJob) -> None:
    asked, found = job.recipe.nproc_per_node, int(os.environ.get("WORLD_SIZE", "1"))
    if found != asked:
        raise GrpoctlError(
            f"nproc_per_node: is {asked}, and {found} processes were started; start it by grpoctl train."
        )
