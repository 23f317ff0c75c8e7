"""Rewards while a model trains: what they are given, and what becomes of their failures."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from engines.runs import events, samples

from grpoctl.rewards.results import BrokenReward
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory

Train = Callable[..., RunDirectory]


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], str]:
    """Writes a function `f` of the user's own and names it."""

    def write(text: str) -> str:
        file = tmp_path / "own_reward.py"
        file.write_text(text, encoding="utf-8")
        return f"{file}:f"

    return write


def test_ones_own_reward_sees_prompts_columns_gold_answers_and_lengths(
    train: Train, own: Callable[[str], str], tmp_path: Path
) -> None:
    log = tmp_path / "seen.jsonl"
    name = own(
        "import json\n"
        "def f(prompts, completions, references, completion_tokens, instruction, **columns):\n"
        "    rows = list(zip(prompts, completions, references, completion_tokens, instruction, columns['answer']))\n"
        f"    with open({str(log)!r}, 'a') as stream:\n"
        "        stream.writelines(json.dumps(row) + '\\n' for row in rows)\n"
        "    return [tokens / 100 for tokens in completion_tokens]\n"
    )
    run = train(f"reward_funcs=[accuracy, {name}]", "max_steps=1")
    seen = [json.loads(line) for line in log.read_text().splitlines()][-8:]
    for sample, (prompt, completion, reference, tokens, question, answer) in zip(samples(run, 1), seen, strict=True):
        assert (sample["prompt"], sample["completion"], sample["answer"]) == (prompt, completion, reference)
        assert answer == reference and question in prompt
        assert sample["rewards"]["f"] == tokens / 100
    (step,) = events(run, ev.STEP)
    assert step["rewards/f/mean"] == pytest.approx(step["completions/mean_length"] / 100)
    manifest = json.loads(run.manifest.read_text())
    assert [Path(entry["file"]).name for entry in manifest["rewards"]] == ["own_reward.py"]


def test_slow_and_quick_rewards_of_all_kinds_train_together(train: Train, own: Callable[[str], str]) -> None:
    name = own("async def f(completion, answer):\n    return float(answer in completion)\n")
    rewards = f"accuracy,math,repetition_penalty,soft_overlong_penalty,{name}"
    run = train(f"reward_funcs={rewards}", "max_steps=2")
    assert [step["reward_failures"] for step in events(run, ev.STEP)] == [0.0, 0.0]
    for sample in samples(run, 2):
        found = sample["rewards"]
        assert found.keys() == {"accuracy", "math", "repetition_penalty", "soft_overlong_penalty", "f"}
        assert found["math"] == found["accuracy"]  # on plain numbers
        assert sample["reward"] == pytest.approx(sum(found.values()))


def test_a_reward_that_breaks_in_mid_run_ends_it_with_its_traceback_in_the_log(
    train: Train, own: Callable[[str], str], tmp_path: Path
) -> None:
    name = own(
        "calls = 0\n"
        "def f(completions, **columns):\n"
        "    global calls\n"
        "    calls += len(completions) == 8 and 'completion_tokens' in columns\n"
        "    if calls > 4:  # three of them are check's\n"
        "        raise KeyError('the judge is gone')\n"
        "    return [0.5] * len(completions)\n"
    )
    with pytest.raises(BrokenReward, match="reward f: failed on 16 of 24 completions in 3 steps"):
        train(f"reward_funcs=accuracy,{name}", "per_device_train_batch_size=2")
    log = RunDirectory(tmp_path / "run").log.read_text(encoding="utf-8")
    assert log.count("Traceback (most recent call last)") == 1
    assert "KeyError: 'the judge is gone'" in log and "own_reward.py" in log
