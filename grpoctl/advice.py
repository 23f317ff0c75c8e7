"""What is going wrong in a run, and what would help? Read from its events alone, said once each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import fmean

from grpoctl.advantage import expected_flat_share
from grpoctl.recipe.schema import Recipe
from grpoctl.run import events as ev
from grpoctl.run.events import Event, Stream

# Steps looked at together: fewer jump about, more come late.
_WINDOW = 10

# Said again only after so many more logged steps.
_SILENCE = 100


@dataclass(frozen=True)
class Advice:
    """One thing worth knowing, under a name for machines."""

    kind: str
    text: str


@dataclass
class History:
    """The logged steps so far, and the recipe that they come from; before `resumed_at` it may have been another one."""

    recipe: Recipe
    steps: list[Event] = field(default_factory=list)
    resumed_at: int = 0

    @property
    def has_a_window(self) -> bool:
        return len(self.steps) - self.resumed_at >= _WINDOW

    def mean(self, name: str, *, first: bool = False) -> float | None:
        """The mean of a metric over the last steps since a resume (or the first); None where it is not there."""
        some = islice(self.steps, _WINDOW) if first else self.steps[self.resumed_at :][-_WINDOW:]
        values = [step[name] for step in some if isinstance(step.get(name), int | float)]
        return fmean(values) if values else None

    def best(self, name: str) -> float | None:
        """The highest mean over a window of steps."""
        values = [step[name] for step in self.steps if isinstance(step.get(name), int | float)]
        windows = [fmean(values[end - _WINDOW : end]) for end in range(_WINDOW, len(values) + 1)]
        return max(windows, default=None)


Check = Callable[[History], Iterator[Advice]]
_CHECKS: list[Check] = []


def _check(function: Check) -> Check:
    _CHECKS.append(function)
    return function


class Advisor:
    """Listens to a run and adds advice to its stream."""

    def __init__(self, recipe: Recipe, stream: Stream, earlier: Sequence[Event] = ()) -> None:
        """`earlier` holds the events of a run that is gone on with."""
        steps = [event for event in earlier if event["event"] == ev.STEP]
        self._history, self._stream = History(recipe, steps, resumed_at=len(steps)), stream
        self._said: dict[str, int] = {}

    def hear(self, event: Event) -> None:
        if event["event"] != ev.STEP:
            return
        self._history.steps.append(event)
        now = len(self._history.steps)
        for advice in advise(self._history):
            if now - self._said.get(advice.kind, -_SILENCE) >= _SILENCE:
                self._said[advice.kind] = now
                self._stream.tell(ev.ADVICE, step=event["step"], kind=advice.kind, text=advice.text)

    def close(self) -> None:
        """Nothing is kept open."""


def advise(history: History) -> list[Advice]:
    """All that the steps so far call for."""
    if not history.has_a_window:
        return [*_failing_rewards(history)]
    return [advice for check in _CHECKS for advice in check(history)]


@_check
def _failing_rewards(history: History) -> Iterator[Advice]:
    last = history.steps[-1] if history.steps else {}
    if last.get("reward_failures"):
        yield Advice(
            "reward_failures",
            f"Rewards failed on {last['reward_failures']:.0f} completions of step {last.get('step')}; these are left "
            "out of it. train.log has the first reason of each. It is the reward that needs mending, not the model.",
        )


@_check
def _flat_groups(history: History) -> Iterator[Advice]:
    share, solved = history.mean("zero_std_share"), history.mean("rewards/accuracy/mean")
    if share is None or share <= 0.5:
        return
    if history.recipe.reads_pictures:
        yield from _flat_groups_of_pictures(share, solved)
        return
    group = history.recipe.num_generations
    said = f"{share:.0%} of the groups have no spread: all their answers earn the same, so they teach nothing."
    if solved is None or not 0 <= solved <= 1:
        yield Advice("flat_groups", f"{said} Use rewards that tell answers apart, or raise num_generations.")
        return
    expected, doubled = expected_flat_share(solved, group), expected_flat_share(solved, 2 * group)
    said += f" With {solved:.0%} solved and num_generations {group}, {expected:.0%} are to be expected (p^G + (1-p)^G)"
    said += f", with {2 * group} it would be {doubled:.0%}."
    if solved > 0.9:
        yield Advice(
            "flat_groups", f"{said} The model solves nearly all of the data: stop here, or use harder problems."
        )
    elif solved < 0.1:
        yield Advice(
            "flat_groups", f"{said} The model solves hardly any: use easier problems, or rewards for part of the way."
        )
    elif share > expected + 0.2:  # one chance for all problems does not explain it
        yield Advice("flat_groups", f"{said} So problems differ: drop those that are always or never solved.")
    else:
        yield Advice("flat_groups", f"{said} Raise num_generations.")


def _flat_groups_of_pictures(share: float, solved: float | None) -> Iterator[Advice]:
    """A network that reads most digits is sure of most, as it should be; one that reads few is stuck."""
    if solved is not None and solved < 0.5:
        yield Advice(
            "flat_groups",
            f"{share:.0%} of the pictures get the same answer every time, and {solved:.0%} of the answers are right: "
            "the network is sure of wrong ones, and what no answer is right on earns no push. Lower learning_rate, "
            "raise temperature, or take another seed.",
        )


@_check
def _kl_runs_away(history: History) -> Iterator[Advice]:
    now, before = history.mean("kl"), history.mean("kl", first=True)
    if now is not None and before is not None and now > 0.5 and now > 3 * before:
        yield Advice(
            "kl",
            f"The model runs away from its start: KL {now:.2f} {_each(history)}, after {before:.3f} in the first "
            f"steps. Lower learning_rate (it is {history.recipe.learning_rate:g}) or raise pref_beta.",
        )


def _each(history: History) -> str:
    return "an answer" if history.recipe.reads_pictures else "a token"


@_check
def _entropy_collapses(history: History) -> Iterator[Advice]:
    now, before = history.mean("entropy"), history.mean("entropy", first=True)
    solved = history.mean("rewards/accuracy/mean")
    if now is None or before is None or (solved is not None and solved > 0.9):
        return  # a model that solves the data is right to be sure
    if before > 0 and now < 0.1 * before:
        yield Advice(
            "entropy",
            f"Entropy fell from {before:.2f} to {now:.3f}: the answers of a group become the same, before the data is "
            "solved. Lower learning_rate, raise temperature, or use epsilon_high 0.28 (clip-higher).",
        )


@_check
def _lengths_hit_the_limit(history: History) -> Iterator[Advice]:
    share = history.mean("completions/clipped_ratio")
    if share is not None and share > 0.3:
        limit = history.recipe.max_completion_length
        yield Advice(
            "length",
            f"{share:.0%} of the completions are cut off at max_completion_length ({limit}), before their answer. "
            "Raise it, or reward short answers.",
        )


@_check
def _form_without_answers(history: History) -> Iterator[Advice]:
    solved, best = history.mean("rewards/accuracy/mean"), history.best("rewards/accuracy/mean")
    now, before = history.mean("reward"), history.mean("reward", first=True)
    form = history.mean("rewards/format/mean")
    if history.recipe.reads_pictures:
        return  # a digit has no form
    if solved is None or best is None or now is None or before is None:
        return
    if best > 0.05 and solved < 0.5 * best and (now >= before or (form or 0) > 0.9):
        yield Advice(
            "form_only",
            f"The model learns the form and forgets the answers: accuracy is {solved:.0%}, after {best:.0%} at best, "
            f"while the reward is {now:.2f}. Lower learning_rate, give format less weight, and go on from an earlier "
            "checkpoint.",
        )
