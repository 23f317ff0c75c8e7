"""An evaluation counts what is right and what is in form, whatever order it asks in."""

from collections.abc import Sequence
from typing import Any

import pytest

from grpoctl.data.problems import Problem
from grpoctl.data.rows import Row
from grpoctl.evaluate import EvalReport, HowToAsk, batches, draw_samples, evaluate, how_to_ask, report_of
from grpoctl.preflight.result import Preflight, Teller
from grpoctl.preflight.scores import check_rewards
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.scoring import Scorer
from grpoctl.samples import Completion, Sample


def recipe(extra: str = "", rewards: str = "format") -> Recipe:
    text = f"model_name_or_path: tiny\ndataset: a\nreward_funcs: {rewards}\nseed: 7\n{extra}"
    found = read_recipe_text(text, "r.yaml").recipe
    assert found is not None
    return found.resolved()


def scorer_of(made: Recipe) -> Scorer:
    found = Preflight()
    check_rewards(made, found, Teller(read_recipe_text("", "r.yaml"), found.findings))
    assert found.findings == []
    return Scorer(found.rewards, made, counts=False)


def problem(prompt: str, answer: str = "0", **columns: Any) -> Problem:
    return Problem(prompt, Row(prompt, answer, columns=columns))


class FakeSampler:
    """Answers each prompt as it was told to, and keeps what it was asked."""

    def __init__(self, answers: dict[str, Completion] | None = None, rows: int = 100) -> None:
        self._answers = answers or {}
        self._rows = rows
        self.batches: list[list[str]] = []
        self.samplings: list[EvalSampling] = []
        self.seeds: list[int] = []

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        self.batches.append(list(prompts))
        self.samplings.append(sampling)
        self.seeds.append(seed)
        return [self._answers.get(prompt, Completion("", 0, False)) for prompt in prompts]

    def rows_at_once(self, prompts: Sequence[str]) -> int:
        return self._rows


def evaluated(
    sampler: FakeSampler, problems: Sequence[Problem], made: Recipe | None = None, mode: str = "greedy", **others: Any
) -> tuple[EvalReport, list[Sample]] | None:
    made = made or recipe()
    return evaluate(sampler, problems, made, scorer_of(made), mode, **others)


def report_of_answers(answers: dict[str, str], gold: dict[str, str], extra: str = "", **how: str) -> EvalReport:
    """The report on prompts with these answers, in the order of the gold ones."""
    sampler = FakeSampler({prompt: Completion(text, 5, False) for prompt, text in answers.items()})
    done = evaluated(sampler, [problem(prompt, answer) for prompt, answer in gold.items()], recipe(extra, **how))
    assert done is not None
    return done[0]


def test_right_answers_near_ones_and_good_form_are_counted_apart() -> None:
    gold = {"p": "1", "q": "2", "r": "30", "s": "4", "t": "5"}
    answers = {
        "p": "<think>so</think><answer>1</answer>",  # right, in form
        "q": "<answer>2</answer>",  # right
        "r": "<think>so</think><answer>31</answer>",  # near, in form
        "s": "<answer>4.0</answer>",  # right as a number
        "t": "so it is 5",  # right outside of its tag
    }
    report = report_of_answers(answers, gold)
    assert (report.n, report.accuracy, report.format_accuracy) == (5, 0.6, 0.4)
    assert (report.partial_accuracy, report.lenient_accuracy) == (0.8, 0.8)
    assert report.rewards == {"format": 0.4}


def test_a_right_number_elsewhere_does_not_mend_a_wrong_answer_tag() -> None:
    report = report_of_answers({"p": "it is 5, so <answer>6</answer>"}, {"p": "5"})
    assert (report.accuracy, report.lenient_accuracy) == (0, 0)


def test_every_share_has_an_interval_around_it() -> None:
    gold = {str(n): str(n) for n in range(100)}
    report = report_of_answers({n: f"<answer>{n}</answer>" for n in list(gold)[:30]}, gold)
    low, high = report.accuracy_ci
    # Wilson's interval of 30 of 100.
    assert (report.accuracy, round(low, 3), round(high, 3)) == (0.3, 0.219, 0.396)
    assert report.format_accuracy_ci[0] == 0


def test_the_tags_are_those_of_the_recipe() -> None:
    answer = "<reasoning>so</reasoning><final>1</final>"
    tags = "reasoning_tag: reasoning\nanswer_tag: final\n"
    assert report_of_answers({"p": answer}, {"p": "1"}, tags).accuracy == 1
    assert report_of_answers({"p": answer}, {"p": "1"}, tags).format_accuracy == 1
    assert report_of_answers({"p": answer}, {"p": "1"}).accuracy == 0


def test_a_recipe_of_programs_is_judged_by_its_tests() -> None:
    made = recipe(rewards="code,format")
    right = "<answer>```python\ndef f(n):\n    return n + 1\n```</answer>"
    sampler = FakeSampler({"p": Completion(right, 9, False), "q": Completion("<answer>def</answer>", 9, False)})
    tests = ["assert f(1) == 2"]
    done = evaluated(sampler, [problem("p", "another", tests=tests), problem("q", "def", tests=tests)], made)
    assert done is not None
    assert (done[0].judged_by, done[0].accuracy) == ("code", 0.5)  # the second equals its gold answer as a text


def test_each_answer_is_held_against_its_own_gold_answer() -> None:
    # Longest first, so that asking by length turns the order around; each answer is its prompt's own length.
    gold = {"x" * length: str(length) for length in (9, 7, 5, 3, 1)}
    answers = {prompt: f"<answer>{len(prompt)}</answer>" for prompt in gold}
    assert report_of_answers(answers, gold, "per_device_eval_batch_size: 2").accuracy == 1


def test_prompts_of_like_length_share_a_batch() -> None:
    sampler = FakeSampler()
    prompts = ["x" * length for length in (5, 1, 4, 2, 3)]
    evaluated(sampler, [problem(prompt) for prompt in prompts], recipe("per_device_eval_batch_size: 2"))
    assert [[len(prompt) for prompt in batch] for batch in sampler.batches] == [[1, 2], [3, 4], [5]]


def test_the_sampler_says_how_many_it_takes_where_the_recipe_does_not() -> None:
    sampler = FakeSampler(rows=3)
    evaluated(sampler, [problem("x")] * 5)
    assert [len(batch) for batch in sampler.batches] == [3, 2]


def test_each_batch_draws_with_a_seed_of_its_own_and_the_next_evaluation_with_the_same() -> None:
    sampler = FakeSampler()
    for _ in range(2):
        evaluated(sampler, [problem("x")] * 5, recipe("per_device_eval_batch_size: 2"))
    # The recipe's seed and the number of the batch's first row.
    assert sampler.seeds == [7, 9, 11] * 2


@pytest.mark.parametrize("mode", ["greedy", "standard", "liberal"])
def test_the_mode_says_how_to_sample(mode: str) -> None:
    sampler = FakeSampler()
    asked = recipe("eval_modes: {standard: {temperature: 0.6}}")
    done = evaluated(sampler, [problem("x")], asked, mode)
    assert done is not None and done[0].mode == mode
    assert sampler.samplings == [getattr(asked.eval_modes, mode)]


def test_lengths_are_averaged_and_cut_ones_are_a_share() -> None:
    lengths = {"a": (10, False), "bb": (20, True), "ccc": (30, False), "dddd": (100, False)}
    sampler = FakeSampler({prompt: Completion("", tokens, cut) for prompt, (tokens, cut) in lengths.items()})
    done = evaluated(sampler, [problem(prompt) for prompt in lengths])
    assert done is not None
    # 160 tokens and one that was cut, of four.
    assert (done[0].mean_length, done[0].truncated_share) == (40, 0.25)
    assert [sample.finish_reason for sample in done[1]] == ["stop", "length", "stop", "stop"]


def test_an_interrupted_evaluation_says_nothing_and_asks_no_further() -> None:
    sampler = FakeSampler(rows=2)
    done = evaluated(sampler, [problem("x")] * 10, interrupted=lambda: len(sampler.batches) == 2)
    assert done is None
    assert len(sampler.batches) == 2


# --- several answers to each problem


class Drawing(FakeSampler):
    """Gives a prompt its answers in turn."""

    def __init__(self, answers: dict[str, list[str]], rows: int = 100) -> None:
        super().__init__(rows=rows)
        self._turns = {prompt: iter(texts) for prompt, texts in answers.items()}

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        super().sample(prompts, sampling, seed)
        return [Completion(f"<answer>{next(self._turns[prompt])}</answer>", 1, False) for prompt in prompts]


def several(answers: dict[str, list[str]], gold: str, rows: int = 100) -> EvalReport:
    made, problems = recipe(), [problem(prompt, gold) for prompt in answers]
    sampler = Drawing(answers, rows)
    how = how_to_ask(made, sampler, problems, "standard", k=len(next(iter(answers.values()))), seed=1)
    drawn = draw_samples(sampler, problems, made, scorer_of(made), how)
    return report_of([sample for batch in drawn for sample in batch], made, how, 1.0)


@pytest.mark.parametrize("rows", [100, 3])
def test_pass_at_k_majority_and_never_solved(rows: int) -> None:
    answers = {"a": ["1", "1", "2", "1"], "b": ["2", "2", "1", "3"], "c": ["5", "6", "7", "8"]}
    report = several(answers, "1", rows)
    assert (report.n, report.k) == (3, 4)
    # 3, 1 and 0 of 4 are right.
    assert report.accuracy == pytest.approx((3 / 4 + 1 / 4) / 3)
    # Of two drawn from four, none is right in C(1,2) = 0, C(3,2) = 3 and C(4,2) = 6 of 6 cases.
    assert report.pass_at_k == pytest.approx({"1": 1 / 3, "2": (1 + 1 / 2) / 3, "4": 2 / 3})
    # The majority is right for a, wrong for b; c has four different ones, none of them right.
    assert report.maj_at_k == pytest.approx(1 / 3)
    assert report.never_solved_share == pytest.approx(1 / 3)


def test_the_samples_of_a_problem_are_numbered_and_asked_in_batches_of_a_size() -> None:
    how = HowToAsk("standard", k=2, seed=0, rows_at_once=3)
    assert batches([problem("bb"), problem("a")], how) == [[(1, 0), (1, 1), (0, 0)], [(0, 1)]]


def test_going_on_behind_some_batches_draws_what_would_have_been_drawn() -> None:
    problems, made = [problem(f"{n}", f"{n}") for n in range(9)], recipe()
    how = HowToAsk("greedy", rows_at_once=2, seed=3)
    samplers = FakeSampler(), FakeSampler()
    whole = list(draw_samples(samplers[0], problems, made, scorer_of(made), how))
    rest = list(draw_samples(samplers[1], problems, made, scorer_of(made), how, done=2))
    assert rest == whole[2:]
    assert samplers[1].seeds == samplers[0].seeds[2:]


def test_the_report_has_a_name_for_every_number() -> None:
    report = report_of_answers({"p": "<think>so</think><answer>1</answer>"}, {"p": "1"}).as_json()
    assert report.pop("seconds") >= 0
    ci = (pytest.approx(0.2065, abs=1e-3), 1.0)  # Wilson's of 1 of 1
    assert report == {
        "mode": "greedy", "n": 1, "k": 1, "seed": 7, "judged_by": "accuracy",
        "accuracy": 1.0, "accuracy_ci": ci, "partial_accuracy": 1.0, "partial_accuracy_ci": ci,
        "lenient_accuracy": 1.0, "lenient_accuracy_ci": ci, "format_accuracy": 1.0, "format_accuracy_ci": ci,
        "rewards": {"format": 1.0}, "rewards_ci": {"format": None}, "mean_length": 5.0, "truncated_share": 0.0,
    }  # fmt: skip


def test_an_eval_of_one_answer_each_says_nothing_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"pass_at_k", "maj_at_k", "never_solved_share"} <= several({"a": ["1", "1"]}, "1").as_json().keys()
