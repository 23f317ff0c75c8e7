"""An evaluation counts what is right and what is in form, whatever order it asks in."""

from collections.abc import Sequence

import pytest

from grpoctl.data.problems import Problem
from grpoctl.data.rows import Row
from grpoctl.evaluate import Completion, EvalReport, evaluate
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe


def recipe(extra: str = "") -> Recipe:
    text = f"model_name_or_path: tiny\ndataset: a\nreward_funcs: format\nseed: 7\n{extra}"
    found = read_recipe_text(text, "r.yaml").recipe
    assert found is not None
    return found.resolved()


def problem(prompt: str, answer: str = "0") -> Problem:
    return Problem(prompt, Row(prompt, answer))


class FakeSampler:
    """Answers each prompt as it was told to, and keeps what it was asked."""

    def __init__(self, answers: dict[str, Completion] | None = None) -> None:
        self._answers = answers or {}
        self.batches: list[list[str]] = []
        self.samplings: list[EvalSampling] = []
        self.seeds: list[int] = []

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        self.batches.append(list(prompts))
        self.samplings.append(sampling)
        self.seeds.append(seed)
        return [self._answers.get(prompt, Completion("", 0, False)) for prompt in prompts]


def report_of(answers: dict[str, str], gold: dict[str, str], extra: str = "") -> EvalReport:
    """The report on prompts with these answers, in the order of the gold ones."""
    sampler = FakeSampler({prompt: Completion(text, 5, False) for prompt, text in answers.items()})
    report = evaluate(sampler, [problem(prompt, answer) for prompt, answer in gold.items()], recipe(extra))
    assert report is not None
    return report


def test_right_answers_and_good_form_are_counted_apart() -> None:
    gold = {"p": "1", "q": "2", "r": "3", "s": "4"}
    answers = {
        "p": "<think>so</think><answer>1</answer>",  # right, in form
        "q": "<answer>2</answer>",  # right
        "r": "<think>so</think><answer>9</answer>",  # in form
        "s": "<answer>4.0</answer>",  # right as a number
    }
    report = report_of(answers, gold)
    assert (report.n, report.accuracy, report.format_accuracy) == (4, 0.75, 0.5)


def test_the_tags_are_those_of_the_recipe() -> None:
    answer = "<reasoning>so</reasoning><final>1</final>"
    tags = "reasoning_tag: reasoning\nanswer_tag: final\n"
    assert report_of({"p": answer}, {"p": "1"}, tags).accuracy == 1
    assert report_of({"p": answer}, {"p": "1"}, tags).format_accuracy == 1
    assert report_of({"p": answer}, {"p": "1"}).accuracy == 0
    assert report_of({"p": answer}, {"p": "1"}).format_accuracy == 0


def test_each_answer_is_held_against_its_own_gold_answer() -> None:
    # Longest first, so that asking by length turns the order around; each answer is its prompt's own length.
    gold = {"x" * length: str(length) for length in (9, 7, 5, 3, 1)}
    answers = {prompt: f"<answer>{answer}</answer>" for prompt, answer in gold.items()}
    assert report_of(answers, gold, "per_device_eval_batch_size: 2").accuracy == 1


def test_prompts_of_like_length_share_a_batch_of_the_recipes_size() -> None:
    sampler = FakeSampler()
    prompts = ["xxxxx", "x", "xxxx", "xx", "xxx"]
    evaluate(sampler, [problem(prompt) for prompt in prompts], recipe("per_device_eval_batch_size: 2"))
    assert sampler.batches == [["x", "xx"], ["xxx", "xxxx"], ["xxxxx"]]


def test_each_batch_draws_with_a_seed_of_its_own_and_the_next_evaluation_with_the_same() -> None:
    sampler = FakeSampler()
    for _ in range(2):
        evaluate(sampler, [problem("x")] * 5, recipe("per_device_eval_batch_size: 2"))
    # The recipe's seed and the number of the batch's first problem.
    assert sampler.seeds == [7, 9, 11] * 2


@pytest.mark.parametrize("mode", ["greedy", "standard", "liberal"])
def test_the_mode_says_how_to_sample(mode: str) -> None:
    sampler = FakeSampler()
    asked = recipe("eval_modes: {standard: {temperature: 0.6}}")
    report = evaluate(sampler, [problem("x")], asked, mode)
    assert report is not None
    assert report.mode == mode
    assert sampler.samplings == [getattr(asked.eval_modes, mode)]


def test_lengths_are_averaged_and_cut_ones_are_a_share() -> None:
    lengths = {"a": (10, False), "bb": (20, True), "ccc": (30, False), "dddd": (100, False)}
    sampler = FakeSampler({prompt: Completion("", tokens, cut) for prompt, (tokens, cut) in lengths.items()})
    report = evaluate(sampler, [problem(prompt) for prompt in lengths], recipe())
    assert report is not None
    # 160 tokens and one that was cut, of four.
    assert (report.mean_length, report.truncated_share) == (40, 0.25)


def test_an_interrupted_evaluation_says_nothing_and_asks_no_further() -> None:
    sampler = FakeSampler()

    def behind_two_batches() -> bool:
        return len(sampler.batches) == 2

    problems = [problem("x")] * 10
    assert evaluate(sampler, problems, recipe("per_device_eval_batch_size: 2"), interrupted=behind_two_batches) is None
    assert len(sampler.batches) == 2


def test_the_report_has_a_name_for_every_number() -> None:
    report = report_of({"p": "<think>so</think><answer>1</answer>"}, {"p": "1"}).as_json()
    assert report.pop("seconds") >= 0
    assert report == {
        "mode": "greedy",
        "n": 1,
        "accuracy": 1.0,
        "format_accuracy": 1.0,
        "mean_length": 5.0,
        "truncated_share": 0.0,
    }
