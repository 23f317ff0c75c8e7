"""How is an evaluation carried out: of which model, on which problems, kept where?"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from grpoctl.data.problems import Problem
from grpoctl.errors import InputError
from grpoctl.evaluate import EvalReport, Sampler, batches, draw_samples, how_to_ask, report_of
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.preflight.scores import check_rewards
from grpoctl.problems import eval_problems
from grpoctl.rewards.scoring import Scorer
from grpoctl.run import events as ev
from grpoctl.run.directory import runs_root
from grpoctl.run.evals import EvalFiles, eval_stem
from grpoctl.run.events import EventFile, Stream
from grpoctl.run.view import view_run
from grpoctl.samples import Sample
from grpoctl.statistics import paired_test
from grpoctl.targets import Target, engine_of, find_target


@dataclass(frozen=True)
class Wanted:
    """What the user asked to have evaluated."""

    target: str | None
    overrides: Sequence[str]
    modes: Sequence[str]
    base: bool = False
    checkpoint: int | None = None
    split: str = "eval"
    limit: int | None = None
    k: int = 1
    seed: int | None = None
    recipe: str | None = None


@dataclass(frozen=True)
class Evaluated:
    """One evaluation that came to its end."""

    label: str
    is_base: bool
    step: int
    dataset: str
    report: EvalReport
    samples: list[Sample]


class Session:
    """All evaluations of one command: each mode, of the trained model and of the one before training."""

    def __init__(self, wanted: Wanted, screen: TextIO, interrupted: Callable[[], bool]) -> None:
        self._wanted, self._screen, self._interrupted = wanted, screen, interrupted
        self._target, reading = find_target(
            wanted.target, wanted.overrides, wanted.checkpoint, recipe_file=wanted.recipe
        )
        recipe = self._target.recipe
        self._dataset, problems = eval_problems(reading, recipe, wanted.split)
        self._problems: list[Problem] = problems[: wanted.limit]
        found = Preflight()
        check_rewards(recipe, found, Teller(reading, found.findings))
        if found.errors:
            raise InputError(found.errors)
        self._scorer = Scorer(found.rewards, recipe, counts=False)
        self._engine = engine_of(self._target)

    @property
    def name(self) -> str:
        return self._target.name

    @property
    def reads_pictures(self) -> bool:
        return self._target.recipe.reads_pictures

    @property
    def folder(self) -> Path:
        """Where samples and reports are kept: with the run, or below the runs folder for a model without one."""
        if self._target.run is not None:
            return self._target.run.evals
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", self._target.name).strip("-.")[-60:] or "model"
        return runs_root() / "evals" / slug

    def steps(self) -> Iterator[Evaluated]:
        """Each evaluation as it ends; fewer where it was interrupted."""
        target = self._target
        models = [(target.trained, False)] + ([(None, True)] if self._wanted.base and target.trained else [])
        for trained, is_base in models:
            label = f"{target.name} before training" if is_base else self._label()
            print(f"loading {label} …", file=self._screen, flush=True)
            sampler = self._engine.open(target.recipe, target.base, trained)
            for mode in self._wanted.modes:
                done = self._evaluate(sampler, mode, label, is_base)
                if done is None:
                    return
                yield done

    def _label(self) -> str:
        step = self._target.step
        return self._target.name if step is None else f"{self._target.name} at step {step}"

    def _evaluate(self, sampler: Sampler, mode: str, label: str, is_base: bool) -> Evaluated | None:
        target, wanted, problems = self._target, self._wanted, self._problems
        how = how_to_ask(target.recipe, sampler, problems, mode, wanted.k, wanted.seed)
        step = 0 if is_base or target.step is None else target.step
        head = {
            "step": step,
            "dataset": self._dataset,
            **asdict(how),
            "n": len(problems),
            "sampling": getattr(target.recipe.eval_modes, mode).model_dump(),
            "problems": _hash([[problem.prompt, problem.row.answer] for problem in problems]),
            "rewards": [use.model_dump(mode="json") for use in target.recipe.reward_funcs],
            "max_tokens": target.recipe.max_completion_length,
            "weights": None if is_base else _weights(target),
        }
        files = EvalFiles(self.folder, eval_stem(mode, step, *self._apart()))
        parts = batches(problems, how)
        began = time.monotonic()
        samples = [Sample(**kept) for kept in files.begin(head, [len(part) for part in parts])]
        done = _whole_batches(parts, len(samples))
        if samples:
            print(f"going on behind {len(samples)} of {sum(map(len, parts))} answers", file=self._screen, flush=True)
        drawn = draw_samples(sampler, problems, target.recipe, self._scorer, how, done, self._interrupted)
        for number, batch in enumerate(drawn, done + 1):
            files.add([sample.as_json() for sample in batch])
            samples += batch
            self._tell(mode, number, len(parts))
        if len(samples) < len(problems) * how.k:
            return None
        report = report_of(samples, target.recipe, how, time.monotonic() - began)
        fields = {"step": step, "dataset": self._dataset, **report.as_json(), **({"base": True} if is_base else {})}
        files.finish(fields)
        self._tell_run(fields)
        return Evaluated(label, is_base, step, self._dataset, report, samples)

    def _apart(self) -> list[str]:
        """What sets this evaluation apart from the one that training makes of the same step."""
        wanted = self._wanted
        changed = _hash(sorted(wanted.overrides))[:6] if wanted.overrides and self._target.run is not None else ""
        return [
            wanted.split if wanted.split != "eval" else "",
            f"k{wanted.k}" if wanted.k > 1 else "",
            f"limit{wanted.limit}" if wanted.limit is not None else "",
            f"seed{wanted.seed}" if wanted.seed is not None else "",
            changed,
        ]

    def _tell(self, mode: str, number: int, count: int) -> None:
        if count > 1 and self._screen.isatty():
            end = "\n" if number == count else "\r"
            print(f"{mode}: batch {number} of {count}", end=end, file=self._screen, flush=True)

    def _tell_run(self, fields: dict[str, Any]) -> None:
        """The run's events have it too, unless the run still writes them."""
        run = self._target.run
        if run is not None and not any(self._apart()) and view_run(run).status != "running":
            Stream([EventFile(run.events)]).tell(ev.EVAL, **fields)


def compare_with_base(done: Sequence[Evaluated]) -> dict[str, dict[str, Any]]:
    """By mode, what training changed on the same problems, and how surely."""
    before = {each.report.mode: each for each in done if each.is_base}
    found: dict[str, dict[str, Any]] = {}
    for after in done:
        if not after.is_base and after.report.mode in before:
            test = paired_test(_by_problem(before[after.report.mode].samples), _by_problem(after.samples))
            found[after.report.mode] = asdict(test)
    return found


def _by_problem(samples: Sequence[Sample]) -> list[float]:
    """The share of right answers to each problem, in the problems' order."""
    groups: dict[int, list[bool]] = {}
    for sample in samples:
        groups.setdefault(sample.problem, []).append(sample.right)
    return [sum(group) / len(group) for _, group in sorted(groups.items())]


def _whole_batches(parts: Sequence[Sequence[object]], count: int) -> int:
    done = 0
    for part in parts:
        if count < len(part):
            break
        count -= len(part)
        done += 1
    return done


def _weights(target: Target) -> list[Any]:
    """What tells the weights of an interrupted evaluation from others in the same place."""
    folder = target.trained or target.base
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in sorted(folder.glob("*.safetensors"))]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")).hexdigest()
