"""Each advice comes where the steps call for it, and none comes from a healthy run."""

from typing import Any

import pytest

from grpoctl.advice import Advisor
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe
from grpoctl.run.events import ADVICE, EVAL, STEP, Event, Stream

TEXT = """model_name_or_path: tiny
dataset: a
reward_funcs: accuracy,format
num_generations: 8
learning_rate: 2e-5
max_completion_length: 256
"""

HEALTHY = {
    "reward": 1.3,
    "reward_failures": 0.0,
    "zero_std_share": 0.2,
    "kl": 0.01,
    "entropy": 1.0,
    "completions/clipped_ratio": 0.05,
    "rewards/accuracy/mean": 0.4,
    "rewards/format/mean": 0.9,
}

Metrics = dict[str, Any]


def steps(count: int, **changes: float | None) -> list[Metrics]:
    """So many steps of a healthy run, but for the metrics given; `__` stands for a slash."""
    return [{**HEALTHY, **{name.replace("__", "/"): value for name, value in changes.items()}}] * count


DIGITS = "hidden_sizes: [128, 128]\ndataset: digits\nnum_generations: 8\nlearning_rate: 2e-3\n"


def recipe(text: str = TEXT) -> Recipe:
    found = read_recipe_text(text, "r.yaml").recipe
    assert found is not None
    return found.resolved()


class Listener:
    """Keeps the advice that it hears."""

    def __init__(self) -> None:
        self.advice: list[Event] = []

    def hear(self, event: Event) -> None:
        if event["event"] == ADVICE:
            self.advice.append(event)

    def close(self) -> None:
        pass


def advice_on(metrics: list[Metrics], text: str = TEXT, earlier: list[Metrics] | None = None) -> list[Event]:
    """The advice that a run of these steps gets, behind those of before its resume."""
    listener = Listener()
    stream = Stream([listener])
    before: list[Event] = [{"event": STEP, "step": number, **values} for number, values in enumerate(earlier or [], 1)]
    stream.sinks.append(Advisor(recipe(text), stream, before))
    for number, values in enumerate(metrics, 1 + len(before)):
        stream.tell(STEP, step=number, max_steps=len(metrics), **values)
    return listener.advice


def said(metrics: list[Metrics]) -> list[tuple[int, str]]:
    """The step and the kind of each advice."""
    return [(event["step"], event["kind"]) for event in advice_on(metrics)]


def only_text(metrics: list[Metrics]) -> str:
    (event,) = advice_on(metrics)
    return str(event["text"])


def test_a_healthy_run_hears_nothing() -> None:
    assert said(steps(250)) == []


def test_steps_without_the_metrics_hear_nothing() -> None:
    assert said([{}] * 20) == []
    assert said([dict.fromkeys(HEALTHY)] * 20) == []


@pytest.mark.parametrize(
    "wild",
    [
        {"zero_std_share": 1.0},
        {"kl": 2.0},
        {"entropy": 0.0},
        {"completions/clipped_ratio": 1.0},
        {"rewards/accuracy/mean": 0.0, "reward": 2.0},
    ],
)
def test_one_wild_step_is_no_trend(wild: Metrics) -> None:
    # It is a tenth of the last ten steps: 0.28 flat, KL 0.209, entropy 0.9, 0.145 cut off, 0.36 solved.
    assert said([*steps(20), {**HEALTHY, **wild}, *steps(20)]) == []


# --- flat groups


@pytest.mark.parametrize(
    ("solved", "numbers", "what_to_do"),
    [
        # 0.98^8 = 0.851 and 0.98^16 = 0.724; what 0.02^8 adds is nothing.
        (0.02, "2% solved and num_generations 8, 85% are", "72%. The model solves hardly any: use easier problems"),
        # 0.95^8 = 0.663 and 0.95^16 = 0.440.
        (0.95, "95% solved and num_generations 8, 66% are", "44%. The model solves nearly all of the data: stop here"),
        # 0.4^8 + 0.6^8 = 0.0007 + 0.0168, and 0.6^16 = 0.0003: chance alone explains none of it.
        (
            0.4,
            "40% solved and num_generations 8, 2% are",
            "0%. So problems differ: drop those that are always or never solved",
        ),
        # 0.2^8 + 0.8^8 = 0.1678, and 0.8^16 = 0.0281.
        (0.8, "80% solved and num_generations 8, 17% are", "3%. So problems differ: drop those that are always"),
        # 0.88^8 = 0.3596 and 0.88^16 = 0.1293: the 55% that are seen are no more than 20 points above.
        (0.88, "88% solved and num_generations 8, 36% are", "13%. Raise num_generations."),
    ],
)
def test_flat_groups_are_held_against_what_chance_makes_of_them(solved: float, numbers: str, what_to_do: str) -> None:
    share = 0.55 if solved == 0.88 else 0.9
    text = only_text(steps(10, zero_std_share=share, rewards__accuracy__mean=solved))
    assert text.startswith(
        f"{share:.0%} of the groups have no spread: all their answers earn the same, so they teach nothing."
    )
    assert f"With {numbers} to be expected (p^G + (1-p)^G), with 16 it would be {what_to_do}" in text


@pytest.mark.parametrize("solved", [None, 1.5])
def test_flat_groups_without_a_share_of_solved_problems_get_no_arithmetic(solved: float | None) -> None:
    text = only_text(steps(10, zero_std_share=0.9, rewards__accuracy__mean=solved))
    assert "p^G" not in text
    assert text.endswith("Use rewards that tell answers apart, or raise num_generations.")


def test_half_of_the_groups_may_be_flat() -> None:
    assert said(steps(20, zero_std_share=0.5)) == []
    assert said(steps(20, zero_std_share=0.51)) == [(10, "flat_groups")]


@pytest.mark.parametrize("solved", [0.6, 0.81, 0.95])
def test_digits_that_are_read_surely_call_for_nothing(solved: float) -> None:
    read = steps(20, zero_std_share=0.76, rewards__accuracy__mean=solved, reward=solved)
    assert advice_on(read, DIGITS) == []


def test_a_network_that_is_sure_of_wrong_digits_hears_what_fits_pictures() -> None:
    stuck = steps(10, zero_std_share=0.9, rewards__accuracy__mean=0.1, reward=0.1)
    (event,) = advice_on(stuck, DIGITS)
    assert event["text"].startswith(
        "90% of the pictures get the same answer every time, and 10% of the answers are right"
    )
    assert "problems" not in event["text"]


def test_digits_have_no_form_to_learn() -> None:
    forgotten = [*steps(10), *steps(10, rewards__accuracy__mean=0.0, reward=1.4)]
    assert said(forgotten) == [(16, "form_only")] and advice_on(forgotten, DIGITS) == []


# --- a resume


def test_a_window_never_reaches_back_behind_a_resume() -> None:
    # The recipe may be another one since: eight flat steps of before and nine of after are no ten of either.
    flat = {"zero_std_share": 0.9}
    assert advice_on(steps(9, **flat), earlier=steps(8, **flat)) == []
    assert [event["step"] for event in advice_on(steps(10, **flat), earlier=steps(8, **flat))] == [18]


def test_where_a_run_began_is_remembered_over_a_resume() -> None:
    (event,) = advice_on(steps(10, kl=0.9), earlier=steps(10))
    assert (event["step"], event["kind"]) == (20, "kl") and "after 0.010 in the first steps" in event["text"]


# --- the others


def test_a_kl_that_runs_away_is_told_with_where_it_began() -> None:
    # After k steps at 0.9 the last ten average 0.01 + 0.089 k: 0.544 at k = 6 is the first above 0.5.
    (event,) = advice_on([*steps(10), *steps(10, kl=0.9)])
    assert (event["step"], event["kind"]) == (16, "kl")
    assert event["text"] == (
        "The model runs away from its start: KL 0.54 a token, after 0.010 in the first steps. "
        "Lower learning_rate (it is 2e-05) or raise pref_beta."
    )


@pytest.mark.parametrize(("first", "then"), [(0.01, 0.49), (0.4, 1.1), (2.0, 2.0)])
def test_a_small_or_a_steady_kl_is_none_that_runs_away(first: float, then: float) -> None:
    assert said([*steps(10, kl=first), *steps(20, kl=then)]) == []


def test_an_entropy_that_collapses_is_told_before_the_data_is_solved() -> None:
    # Below a tenth of 1.00 only once all of the last ten steps are at 0.05: with nine they average 0.145.
    (event,) = advice_on([*steps(10), *steps(10, entropy=0.05)])
    assert (event["step"], event["kind"]) == (20, "entropy")
    assert event["text"].startswith("Entropy fell from 1.00 to 0.050: the answers of a group become the same")
    assert "epsilon_high 0.28" in event["text"]


def test_a_model_that_solves_the_data_may_be_sure() -> None:
    assert said([*steps(10), *steps(10, entropy=0.05, rewards__accuracy__mean=0.95)]) == []
    assert said([*steps(10), *steps(10, entropy=0.05, rewards__accuracy__mean=0.9)]) == [(20, "entropy")]


def test_an_entropy_that_sinks_by_and_by_is_well() -> None:
    assert said([*steps(10), *steps(20, entropy=0.11)]) == []


def test_answers_cut_off_are_told_with_the_limit() -> None:
    text = only_text(steps(10, completions__clipped_ratio=0.42))
    assert text.startswith("42% of the completions are cut off at max_completion_length (256), before their answer.")
    assert said(steps(20, completions__clipped_ratio=0.3)) == []


def test_form_without_answers_is_told_by_the_best_that_was_reached() -> None:
    # After k steps without a right answer the last ten average 0.4 - 0.04 k: 0.16 at k = 6 is the first below 0.2.
    (event,) = advice_on([*steps(10), *steps(10, rewards__accuracy__mean=0.0, reward=1.4)])
    assert (event["step"], event["kind"]) == (16, "form_only")
    # The reward was 1.3 in four of these ten steps and 1.4 in six.
    assert "accuracy is 16%, after 40% at best, while the reward is 1.36." in event["text"]


def test_form_without_answers_is_seen_behind_a_falling_reward_too() -> None:
    fallen = {"rewards__accuracy__mean": 0.0, "reward": 1.0}
    assert said([*steps(10), *steps(10, **fallen, rewards__format__mean=1.0)]) == [(16, "form_only")]
    # Where form, answers and reward fall together, the model forgets all of it, which is another fault.
    assert said([*steps(10), *steps(10, **fallen, rewards__format__mean=0.2)]) == []


def test_a_model_that_never_answered_has_nothing_to_forget() -> None:
    assert said([*steps(10, rewards__accuracy__mean=0.05), *steps(10, rewards__accuracy__mean=0.0)]) == []


def test_failing_rewards_are_told_at_once() -> None:
    (event,) = advice_on([*steps(2), *steps(1, reward_failures=3.0)])
    assert (event["step"], event["kind"]) == (3, "reward_failures")
    assert event["text"].startswith("Rewards failed on 3 completions of step 3; these are left out of it.")


def test_failing_rewards_are_told_of_a_long_run_too() -> None:
    assert said([*steps(30), *steps(1, reward_failures=1.0)]) == [(31, "reward_failures")]


# --- how often


def test_an_advice_is_said_again_only_after_a_hundred_logged_steps() -> None:
    assert said(steps(210, reward_failures=1.0)) == [
        (1, "reward_failures"),
        (101, "reward_failures"),
        (201, "reward_failures"),
    ]


def test_one_advice_does_not_silence_another() -> None:
    assert said(steps(10, reward_failures=1.0, zero_std_share=0.9)) == [(1, "reward_failures"), (10, "flat_groups")]


def test_a_fault_that_comes_back_within_a_hundred_steps_is_known_already() -> None:
    failing = steps(1, reward_failures=1.0)
    assert said([*failing, *steps(50), *failing, *steps(48), *failing]) == [
        (1, "reward_failures"),
        (101, "reward_failures"),
    ]


def test_only_logged_steps_count() -> None:
    listener = Listener()
    stream = Stream([listener])
    stream.sinks.append(Advisor(recipe(), stream))
    for number in range(1, 10):
        stream.tell(STEP, step=number, **steps(1, zero_std_share=0.9)[0])
        stream.tell(EVAL, step=number, zero_std_share=0.9)
    assert listener.advice == []
