"""What happens between a checked recipe and a trained model, on the TRL engine?"""

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig

from grpoctl.counted import counted
from grpoctl.engines.base import Outcome, TrainJob
from grpoctl.engines.trl import load, threads, vllm
from grpoctl.engines.trl.agreement import refuse_differing, this_process
from grpoctl.engines.trl.longest_step import try_longest_step
from grpoctl.engines.trl.sampler import TrlSampler
from grpoctl.engines.trl.sharded import begin_deepspeed, refuse_unsplit
from grpoctl.engines.trl.trainer import GroupTrainer
from grpoctl.engines.trl.translate import grpo_arguments
from grpoctl.errors import GrpoctlError
from grpoctl.machine import read_machine
from grpoctl.record import evaluate_and_tell, keep_model, lacks_its_evaluation, tell_step, write_samples
from grpoctl.run import checkpoints
from grpoctl.run import events as ev
from grpoctl.run.files import write_json
from grpoctl.tokenizer import load_tokenizer, refuse_unknown_tokens

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
    if job.recipe.use_vllm and job.recipe.vllm_mode == "server" and os.environ.get("RANK", "0") == "0":
        vllm.wait_for_server(job.recipe)
    trainer, sampler = build(job)
    if trainer.accelerator.device.type == "cpu":
        _settle_threads(job, trainer, count)
    session = _Session(job, trainer, sampler)
    trainer.add_callback(session)
    trainer.on_checkpoint = session.checkpoint_saved
    trainer.on_phase = job.on_phase
    if job.recipe.longest_step_first:
        try_longest_step(job, trainer)
    outcome = session.run()
    if torch.distributed.is_initialized():
        # A process that ends while its threads still talk to the others' aborts.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return outcome


def build(job: TrainJob) -> tuple[GroupTrainer, TrlSampler]:
    recipe = job.recipe
    # First, as it is where the processes meet, and where ZeRO-3 learns that it is to split weights as they are read.
    arguments = GRPOConfig(**grpo_arguments(recipe, str(job.run.path), on_cpu=not torch.cuda.is_available()))
    if arguments.device.type == "cpu":
        # Of several processes each gets a cpu:N, which torch.load does not know as a place when a run is resumed.
        arguments.__dict__["_setup_devices"] = torch.device("cpu")
    if arguments.use_cpu and torch.distributed.is_initialized():
        # transformers tells it to GPUs' processes alone.
        torch.distributed.distributed_c10d._set_pg_timeout(timedelta(seconds=recipe.ddp_timeout))
    if recipe.deepspeed is not None:
        begin_deepspeed(on_cpu=arguments.use_cpu)
    if arguments.world_size > 1:
        refuse_differing(gather_object([this_process()]))
    job.on_phase("loading the model", 0)
    tokenizer = load_tokenizer(recipe, job.model)
    model = load.load_model(recipe, job.model)
    ends = load.end_ids(tokenizer, model, recipe.template)
    model.generation_config.eos_token_id = list(ends)  # where TRL looks for them
    known = model.config.get_text_config().vocab_size
    refuse_unknown_tokens(tokenizer, known, [*job.problems, *job.eval_problems], job.model)
    with vllm.in_time(job):
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
    refuse_unsplit(recipe, trainer.accelerator)
    return trainer, TrlSampler(trainer.model, tokenizer, ends, recipe.max_completion_length or 0)


def _settle_threads(job: TrainJob, trainer: GroupTrainer, count: int | None) -> None:
    """Try how many threads are fastest, unless that is given, and write the number into the resolved recipe."""
    if count is None and (trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled):
        count = max(1, read_machine().cpu_count // job.recipe.nproc_per_node)  # weights in parts cannot be tried alone
        torch.set_num_threads(count)
    if count is None:
        count, seconds = threads.probe(trainer.rehearse, read_machine().cpu_count)
        steps, step_s = job.max_steps, seconds * job.recipe.gradient_accumulation_steps
        _log.info(
            "%s: about %.2g s a step, so %s take%s about %s.",
            counted(count, "thread"), step_s, counted(steps, "step"), "s" * (steps == 1), in_words(steps * step_s),
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
        # Asked of the first alone, which writes what the answer is read from.
        main = trainer.accelerator.is_main_process
        if reached == 0 or self._largest(int(main and lacks_its_evaluation(job, reached))):
            self._evaluate(reached)
        if self._stop_signal() is None:
            if reached < job.max_steps:
                trainer.train(resume_from_checkpoint=str(job.checkpoint) if job.checkpoint else None)
                reached = trainer.state.global_step
            else:  # all steps are done, and only what comes after them is missing
                trainer._load_from_checkpoint(str(job.checkpoint))
        if reached >= job.max_steps:
            self._keep_model()
            if self._largest(int(self._evaluate(reached))):
                return Outcome(reached, job.max_steps)  # a signal that comes now finds nothing left to stop
        return Outcome(reached, job.max_steps, self._stop_signal())

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
        job, step, arguments = self._job, state.global_step, self._trainer.args
        write_samples(job, step, self._trainer.samples)
        self._trainer.samples = []
        left_out = ("step_time", "frac_reward_zero_std", "epoch", "num_tokens")
        tell_step(
            job,
            step,
            {name: value for name, value in logs.items() if name not in left_out},
            completions=arguments.generation_batch_size // job.recipe.num_iterations,
            step_time_s=float(logs.get("step_time") or 0.0),
            epoch=logs.get("epoch"),
        )

    def checkpoint_saved(self, step: int) -> None:
        self._job.stream.tell(ev.CHECKPOINT, step=step)

    # ---

    def _evaluate(self, step: int) -> bool:
        """Whether it came to its end, on the process that evaluates."""
        if not self._job.eval_problems:
            return False
        trainer, accelerator = self._trainer, self._trainer.accelerator
        self._job.on_phase("evaluating", step)
        with trainer.whole_weights():
            if not accelerator.is_main_process:
                self._job.on_phase("waiting for the evaluation", step)
                return False
            with accelerator.autocast():
                done = evaluate_and_tell(self._job, self._sampler, step)
            self._job.on_phase("at the end of the evaluation", step)
            return done

    def _stop_signal(self) -> int | None:
        """The signal that any process got, so that all of them stop behind the same step."""
        return self._largest(self._job.stop_signal() or 0) or None

    def _largest(self, mine: int) -> int:
        """Of the numbers that the processes have; what they decide by it they decide alike."""
        accelerator = self._trainer.accelerator
        if accelerator.num_processes == 1:
            return mine
        return int(accelerator.gather(torch.tensor(mine, device=accelerator.device)).max())

    def _keep_model(self) -> None:
        def write(folder: Path) -> None:
            self._trainer.save_model(str(folder), _internal_call=True)

        self._job.on_phase("writing the model", self._trainer.state.global_step)
        main = self._trainer.accelerator.is_main_process
        keep_model(self._job.run, write, _NOT_THE_MODEL, main=main)


def _check_world_size(job: TrainJob) -> None:
    asked, found = job.recipe.processes, int(os.environ.get("WORLD_SIZE", "1"))
    if found != asked:
        key = "nproc_per_node" if job.recipe.nnodes == 1 else "nnodes x nproc_per_node"
        raise GrpoctlError(f"{key}: is {asked}, and {found} processes were started; start it by grpoctl train.")
