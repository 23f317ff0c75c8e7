"""`grpoctl show`: one run in words and numbers."""

import json
from collections.abc import Callable
from pathlib import Path

from fake_run import greedy, make_run, step, this_process

from grpoctl.run.view import view_run

Grpoctl = Callable[..., tuple[int, str, str]]

STARTED = ("run_started", {"step": 0, "max_steps": 80})


def shown(grpoctl: Grpoctl, *words: str) -> list[str]:
    code, out, _ = grpoctl("show", *words)
    assert code == 0
    return out.splitlines()


def words_of(lines: list[str], name: str) -> str:
    """A line by its first word, with single spaces."""
    [line] = [line for line in lines if line.split()[:1] == [name]]
    return " ".join(line.split())


def test_the_latest_run_is_shown_with_its_status_and_where_it_came_from(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a", STARTED, step(3, reward=0.5), process=this_process())
    assert shown(grpoctl)[:2] == [
        "a: running, step 3 of 80",
        "  started 2026-11-24 17:50, engine trl, recipes/quickstart.yaml seed=7",
    ]


def test_metrics_have_words_and_each_reward_stands_below_the_total(runs: Path, grpoctl: Grpoctl) -> None:
    metrics = {
        "reward": 1.0126,
        "kl": None,
        "rewards/accuracy/mean": 0.75,
        "rewards/accuracy/std": 0.4,
        "zero_std_share": 0.4375,
        "learning_rate": 2e-6,
        "tokens_per_s": 3412.2,
        "of_an_engine_alone": 1,
    }
    make_run(runs / "a", STARTED, step(3, **metrics))
    lines = shown(grpoctl, "a")
    first = lines.index("step 3")
    assert lines[first + 1 : first + 3] == [
        "  reward                 1.013  mean over the step's answers",
        "  rewards/accuracy/mean   0.75  the same for this reward alone, unweighted",
    ]
    assert words_of(lines, "zero_std_share").startswith("zero_std_share 43.8% of the groups")
    assert words_of(lines, "kl") == "kl - not measured, as pref_beta is 0"
    assert words_of(lines, "learning_rate") == "learning_rate 2e-06"
    assert words_of(lines, "tokens_per_s") == "tokens_per_s 3,412 tokens a second"
    assert not [line for line in lines if "accuracy/std" in line or "of_an_engine_alone" in line]


def test_advantage_std_stands_beside_the_documents_thresholds_and_what_they_miss(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a", STARTED, step(3, reward=0.5, advantage_std=0.4975))
    lines = shown(grpoctl, "a")
    place = next(number for number, line in enumerate(lines) if "advantage_std" in line)
    assert "before they are scaled; rewards of 0 and 1 have 0.5 at most, at any G" in lines[place]
    assert "(the document would raise G over 1.0, which larger rewards alone can reach)" in lines[place + 1]


def test_digits_have_neither_tokens_nor_form(runs: Path, grpoctl: Grpoctl) -> None:
    metrics = {"reward": 0.9, "completions/mean_length": 1.0, "completions/clipped_ratio": 0.0, "tokens_per_s": 9e5}
    run = make_run(runs / "a", STARTED, step(3, **metrics, entropy=0.2), greedy(3, 0.9))
    run.manifest.write_text(run.manifest.read_text().replace('"trl"', '"mlp"'))
    lines = shown(grpoctl, "a")
    assert words_of(lines, "answers_per_s") == "answers_per_s 900,000 answers a second"
    assert words_of(lines, "entropy").endswith("nats an answer; near 0 the answers are all alike")
    for word in ("tokens", "mean_length", "format", "clipped", "truncated"):
        assert not [line for line in lines if word in line], word


def test_evaluations_are_a_table_of_before_and_after(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a", STARTED, greedy(0, 0.22), greedy(40, 0.5), greedy(80, 0.71))
    lines = shown(grpoctl, "a")
    first = next(number for number, line in enumerate(lines) if line.startswith("greedy"))
    assert lines[first : first + 3] == [
        "greedy, 200 problems of tiny  step 0  step 80        change",
        "  accuracy                     22.0%    71.0%  +49.0 points",
        "  format_accuracy             100.0%   100.0%   +0.0 points",
    ]


def test_a_single_evaluation_has_no_change(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a", STARTED, greedy(0, 0.22))
    lines = shown(grpoctl, "a")
    assert "greedy, 200 problems of tiny  step 0" in lines
    assert words_of(lines, "accuracy") == "accuracy 22.0%"


def test_advice_and_error_are_shown_on_a_line_each(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(
        runs / "a",
        STARTED,
        ("advice", {"step": 3, "kind": "flat", "text": "raise num_generations"}),
        ("run_failed", {"step": 3, "error": "out of\nmemory"}),
    )
    lines = shown(grpoctl, "a")
    assert "  error: out of\\nmemory" in lines
    assert "advice at step 3: raise num_generations" in lines
    assert words_of(lines, "go") == "go on grpoctl train --resume a"


def test_a_dead_run_says_what_that_means(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "a b", STARTED)
    lines = shown(grpoctl)
    assert lines[0] == "a b: dead, step 0 of 80"
    assert lines[2].startswith("  its process is gone and left no word")
    assert words_of(lines, "go") == "go on grpoctl train --resume 'a b'"


def test_files_are_named_where_they_are(runs: Path, grpoctl: Grpoctl) -> None:
    run = make_run(runs / "a", STARTED, ("checkpoint_saved", {"step": 40}), process=this_process())
    lines = shown(grpoctl)
    assert words_of(lines, "folder") == f"folder {run.path}"
    assert words_of(lines, "stop") == "stop grpoctl stop a"
    assert not [line for line in lines if line.startswith(("plots", "log", "checkpoint", "curves"))]
    for folder in (run.plots, run.checkpoint(40), run.tensorboard, run.evals, run.completions(1).parent):
        folder.mkdir()
    run.log.touch()
    lines = shown(grpoctl)
    assert words_of(lines, "checkpoint") == f"checkpoint {run.path}/checkpoint-40"
    assert words_of(lines, "log") == "log grpoctl logs a"
    assert words_of(lines, "curves") == f"curves tensorboard --logdir {run.path}/tensorboard"
    assert {"plots", "evaluations", "completions"} <= {line.split()[0] for line in lines if line}


def test_a_run_with_a_damaged_manifest_is_shown_for_what_is_left(runs: Path, grpoctl: Grpoctl) -> None:
    run = make_run(runs / "a", STARTED, step(3, reward=0.5))
    run.manifest.write_text("")
    assert shown(grpoctl)[0] == "a: dead, step 3 of 80"


def test_json_is_the_view(runs: Path, grpoctl: Grpoctl) -> None:
    run = make_run(runs / "a", STARTED, step(3, reward=0.5))
    assert json.loads(grpoctl("show", "--json")[1]) == view_run(run).as_json()


def test_a_run_that_is_not_there_is_one_line_and_exit_2(runs: Path, grpoctl: Grpoctl) -> None:
    make_run(runs / "quickstart")
    assert grpoctl("show", "quikstart") == (
        2,
        "",
        f"quikstart: is no run below {runs}; did you mean quickstart?\n",
    )
