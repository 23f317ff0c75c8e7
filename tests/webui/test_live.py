"""What a run has logged is read piece by piece, and comes to what the whole file comes to."""

import json
import os
from pathlib import Path

from fake_run import greedy, make_run, step, tell, this_process

from grpoctl.run import events as ev
from grpoctl.run.view import view_run
from webui.live import live_run
from webui.newest import newest_runs
from webui.page import Page
from webui.runs import curves, detail, table
from webui.runs.curves import points_of
from webui.runs.files import files_of
from webui.runs.standing import all_standing, find_standing, standing_of
from webui.words import Say


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", (ev.RUN_STARTED, {"max_steps": 5}), step(1, reward=0.5))
    live = live_run(run)
    assert list(live.column("reward")) == [0.5] and live.max_steps == 5
    tell(run, step(2, reward=0.75, kl=None), step(3, entropy=1.0))
    assert live_run(run) is live
    assert str(list(live.column("reward"))) == "[0.5, 0.75, nan]"
    assert str(list(live.column("entropy"))) == "[nan, nan, 1.0]"


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", (ev.RUN_STARTED, {"max_steps": 5}))
    line = '{"event": "step_logged", "time": 1.0, "step": 1, "reward": 0.5}\n'
    with run.events.open("a") as stream:
        stream.write(line[:30])
    assert not live_run(run).steps
    with run.events.open("a") as stream:
        stream.write(line[30:] + "\0\0 nonsense\n")
    assert list(live_run(run).column("reward")) == [0.5]


def test_what_a_resume_undid_is_gone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", (ev.RUN_STARTED, {"max_steps": 9}), *[step(n, reward=n / 10) for n in range(1, 6)])
    live_run(run)
    tell(run, (ev.RUN_STOPPED, {"step": 5}), (ev.RUN_RESUMED, {"step": 3, "max_steps": 9}), step(4, reward=0.9))
    assert list(live_run(run).column("reward")) == [0.1, 0.2, 0.3, 0.9]
    assert live_run(run).last["reward"] == 0.9


def test_a_file_that_begins_anew_is_read_anew(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", step(1, reward=0.5), step(2, reward=0.5))
    assert len(live_run(run).steps) == 2
    run.events.unlink()
    tell(run, step(1, reward=0.25))
    assert list(live_run(run).column("reward")) == [0.25]


def test_a_run_stands_as_show_says(tmp_path: Path) -> None:
    told = [(ev.RUN_STARTED, {"max_steps": 4}), greedy(0, 0.2), step(1, reward=0.5), (ev.CHECKPOINT, {"step": 1}),
            step(2, reward=0.6), greedy(2, 0.7), (ev.RUN_STOPPED, {"step": 2})]  # fmt: skip
    run = make_run(tmp_path / "one", *told)
    live_run(run)
    assert standing_of(run, {}).view == view_run(run)
    tell(run, (ev.RUN_RESUMED, {"step": 1, "max_steps": 4}))
    assert standing_of(run, {}).view == view_run(run)


def test_time_left_goes_by_the_newest_steps(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", (ev.RUN_STARTED, {"max_steps": 10}), process=this_process())
    with run.events.open("a") as stream:
        for number in range(1, 5):
            stream.write(f'{{"event": "step_logged", "time": {100 + 3 * number}, "step": {number}}}\n')
    found = standing_of(run, {})
    assert found.step_s == 3.0 and found.left_s == 18.0


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path, runs: Path) -> None:
    make_run(runs / "one")
    (runs / "other").mkdir()
    (runs / "other" / "events.jsonl").write_text("nonsense")
    broken = make_run(runs / "broken", step(1, reward=0.5))
    broken.manifest.write_text('{"process_id"')
    found, count = all_standing(9)
    assert count == 2 and {each.name: each.view.status for each in found} == {"one": "dead", "broken": "dead"}
    assert find_standing("other") is None
    shown = table.view(Page({}, Say("en")))
    assert f"no manifest.json: {runs}/other" in shown and ">damaged<" in shown and ">dead<" in shown
    assert "Its manifest.json cannot be read" in detail.view(Page({"run": "broken"}, Say("en")))


def test_a_run_that_goes_on_again_keeps_its_place(runs: Path) -> None:
    for day, name in enumerate(["old", "new"]):
        run = make_run(runs / name)
        kept = json.loads(run.manifest.read_text())
        kept["started"] = f"2026-11-2{day}T08:00:00+00:00"
        run.manifest.write_text(json.dumps(kept))
        os.utime(run.manifest, (1e9 - day, 1e9 - day))
    assert [run.name for run in newest_runs()] == ["new", "old"]
    assert [each.name for each in all_standing(1)[0]] == ["new"]


def test_files_stand_by_folder_and_numbers_in_their_order(runs: Path) -> None:
    run = make_run(runs / "one")
    for name in ("checkpoint-100/b.json", "checkpoint-20/b.json", "checkpoint-20/a10.txt", "checkpoint-20/a9.txt", "z"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).touch()
    names = [name for name, _ in files_of(run.path)]
    assert names[:2] == ["manifest.json", "z"]
    assert names[2:] == [
        "checkpoint-20/a9.txt",
        "checkpoint-20/a10.txt",
        "checkpoint-20/b.json",
        "checkpoint-100/b.json",
    ]
    shown = detail.view(Page({"run": "one", "part": "files"}, Say("en")))
    assert shown.index("checkpoint-20/</bdi>") < shown.index("checkpoint-100/</bdi>")


def test_ten_thousand_steps_come_in_four_hundred_points(tmp_path: Path) -> None:
    run = make_run(tmp_path / "long")
    with run.events.open("a") as stream:
        for number in range(1, 10_001):
            reward = "null" if number == 77 else number % 25
            stream.write(f'{{"event": "step_logged", "time": {number}, "step": {number}, "reward": {reward}}}\n')
    points = points_of(live_run(run))
    mean, low, high = points["y"]["reward"]
    assert len(points["x"]) == len(mean) == 400 and points["x"][-1] == 10_000
    # 25 steps a bucket, each with all of 0 … 24, whose mean is 12; the one without a number is left out of its own.
    assert mean[0] == 12 and low[0] == 0 and high[0] == 24
    # Steps 76 … 100: their sum is 300, less the 2 of step 77, over 24.
    assert mean[3] == float(f"{298 / 24:.4g}")


def test_few_steps_come_as_they_are(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "short", step(1, reward=0.5), step(2, reward=None), step(3, reward=0.123456789), greedy(3, 0.5)
    )
    points = points_of(live_run(run))
    assert points["y"] == {"reward": [[0.5, None, 0.1235]]}
    assert points["evals"] == {"greedy": [(3, 0.5)]}


def test_of_digits_no_length_is_drawn(runs: Path) -> None:
    run = make_run(runs / "digits", step(1, **{"reward": 0.5, "completions/mean_length": 1.0, "tokens_per_s": 9.0}))
    run.manifest.write_text(run.manifest.read_text().replace('"trl"', '"mlp"'))
    page = Page({"run": "digits"}, Say("en"))
    found = curves.series(page, {"runs": ["digits"]}).data["runs"]["digits"]
    assert set(found["y"]) == {"reward"}
    assert "Answers a second" in detail.view(page) and "Tokens a second" not in detail.view(page)
