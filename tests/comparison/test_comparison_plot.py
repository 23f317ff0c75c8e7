"""The picture of a comparison: what is drawn, that it can be read, and where it cannot be written."""

import json
import os
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_evals import report
from fake_run import Told, make_run, step

pytest.importorskip("matplotlib")

from matplotlib.image import imread
from matplotlib.text import Text

from grpoctl.comparison import plot as comparison_plot
from grpoctl.comparison.looks import Drawn, drawn_runs
from grpoctl.comparison.panels import panels_of
from grpoctl.comparison.plot import draw_comparison
from grpoctl.comparison.runs import Comparison, compare_runs
from grpoctl.errors import InputError

MODES = ("greedy", "standard", "liberal", "standard-k8")


def comparison(folder: Path, count: int, steps: int = 30, modes: tuple[str, ...] = MODES) -> Comparison:
    made = []
    for number in range(count):
        told: list[Told] = [step(at, reward=number + at / 10) for at in range(1, steps + 1)]
        told += [("eval_finished", report(at, number + at, 40, mode)) for mode in modes for at in (0, 20)]
        made.append(
            make_run(folder / f"qwen3-0.6b_gsm8k_lora/rank-{number % 3}/grpo-of-{count}-number-{number}", *told)
        )
    return compare_runs(made)


def figure_of(found: Comparison) -> Any:
    drawn: list[Drawn] = drawn_runs(found.runs)
    return comparison_plot._figure(drawn, panels_of(drawn, found.modes))


def texts(figure: Any) -> list[Text]:
    """What can be read, once everything has its place; a tick beyond the end of its axis is not drawn."""
    figure.canvas.draw()
    beyond = {
        label
        for axes in figure.axes
        for labels, place, ends in (
            (axes.get_xticklabels(), 0, axes.get_xlim()),
            (axes.get_yticklabels(), 1, axes.get_ylim()),
        )
        for label in labels
        if not min(ends) <= label.get_position()[place] <= max(ends)
    }
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text for text in found if text not in beyond]


@pytest.mark.parametrize("count", [1, 2, 12, 20])
def test_every_run_is_named_and_no_text_covers_another_or_leaves_the_picture(count: int, tmp_path: Path) -> None:
    found = comparison(tmp_path, count)
    figure = figure_of(found)
    read = texts(figure)
    for number in range(count):
        # Beside the curves, and beside each of two rows of panels.
        assert sum(text.get_text().endswith(f"-number-{number}") for text in read) == 3
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in read]
    assert [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)] == []
    width, height = figure.canvas.get_width_height()
    assert [name for name, box in boxes if min(box.x0, box.y0, width - box.x1, height - box.y1) < 0] == []


def test_twenty_runs_have_twenty_looks(tmp_path: Path) -> None:
    drawn = drawn_runs(comparison(tmp_path, 20, modes=()).runs)
    assert len({(each.colour, each.dashes) for each in drawn}) == 20


def test_a_picture_has_150_dots_an_inch_and_stands_where_it_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "c.PNG"
    assert draw_comparison(comparison(tmp_path / "runs", 2), str(path)) == path
    assert imread(path).shape[1] == comparison_plot._WIDTH * 150
    assert list(path.parent.iterdir()) == [path], "something unfinished was left behind"


def test_runs_that_were_asked_other_problems_stand_in_a_panel_of_their_own(tmp_path: Path) -> None:
    told = [report(20, 3, 40), report(20, 3, 40), report(20, 3, 50)]
    made = [make_run(tmp_path / f"r{number}", ("eval_finished", each)) for number, each in enumerate(told)]
    figure = figure_of(compare_runs(made))
    said = [text.get_text() for text in texts(figure)]
    assert said.count("Accuracy, greedy") == 2
    assert [text for text in said if "problems of" in text] == ["40 problems of tiny", "50 problems of tiny"]
    dots = [sum(line.get_marker() == "o" for line in axes.get_lines()) for axes in figure.axes]
    assert dots == [2, 1]


def test_an_evaluation_with_other_keys_is_called_so_and_not_by_a_hash(tmp_path: Path) -> None:
    made = []
    for number, stem in enumerate(("greedy-step-000020-12dce4", "greedy-step-000020-k4-limit9")):
        run = make_run(tmp_path / f"r{number}", ("eval_finished", report(0, 3, 40)))
        run.evals.mkdir()
        (run.evals / f"{stem}.json").write_text(json.dumps(report(20, 3, 40, k=4 if "k4" in stem else 1)))
        made.append(run)
    said = [text.get_text() for text in texts(figure_of(compare_runs(made)))]
    assert "with keys changed, 40 problems of tiny" in said
    assert "4 answers to each, the first 9, 40 problems of tiny" in said
    assert not [text for text in said if "12dce4" in text]


def test_every_line_is_smoothed_by_one_rule_which_is_told(tmp_path: Path) -> None:
    long = make_run(tmp_path / "long", *(step(at, reward=at % 2) for at in range(1, 61)))
    short = make_run(tmp_path / "short", *(step(at, reward=at % 2) for at in range(1, 16)))
    [axes] = figure_of(compare_runs([long, short])).axes
    lines = [line for line in axes.get_lines() if line.get_linestyle() != "None"]
    # Means of five of 0, 1, 0, 1 …: neither run is drawn raw.
    assert all(0.3 < value < 0.7 for line in lines for value in line.get_ydata())
    assert axes.get_title(loc="right") == "dots: logged steps; line: mean of 5, at its ends their trend"
    [axes] = figure_of(compare_runs([short])).axes
    assert axes.get_title(loc="right") == "line: each logged step"


@pytest.mark.parametrize(("steps", "modes"), [(0, ("greedy",)), (1, ()), (3, ()), (0, MODES)])
def test_what_has_no_numbers_is_left_out(steps: int, modes: tuple[str, ...], tmp_path: Path) -> None:
    found = comparison(tmp_path / "runs", 2, steps, modes)
    empty = make_run(tmp_path / "runs" / "empty", ("eval_finished", {"mode": "greedy", "step": 3, "accuracy": None}))
    found = compare_runs([*(run.directory for run in found.runs), empty])
    assert draw_comparison(found, str(tmp_path / "c.png")).is_file()


def test_reports_without_intervals_are_drawn_without_bars(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", ("eval_finished", report(0, 0, 10, accuracy_ci=None)))
    [panel] = figure_of(compare_runs([run])).axes
    # The bar has no length, and the dot is where it stands.
    bar, dot = (np.asarray(line.get_xydata()).tolist() for line in panel.get_lines())
    assert (bar, dot) == ([[0.0, -0.17], [0.0, -0.17]], [[0.0, -0.17]])


@pytest.mark.parametrize("name", ["_hidden", "a$x^2$", "数学", "a\x1b[31m\nb"])
def test_any_name_can_be_drawn(name: str, tmp_path: Path) -> None:
    made = [make_run(tmp_path / each, step(1, reward=0.5), step(2, reward=1.0)) for each in (name, "other")]
    assert draw_comparison(compare_runs(made), str(tmp_path / "c.png")).is_file()


def test_runs_without_a_number_have_no_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would be empty, as no run has a step or an evaluation; leave --to out"):
        draw_comparison(compare_runs([make_run(tmp_path / "r")]), str(tmp_path / "c.png"))


@pytest.mark.parametrize("name", ["c.pdf", "c", "", "folder.png", "a\0b.png", "file/c.png", f"{'x' * 300}.png"])
def test_a_path_that_no_picture_can_have_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as error:
        draw_comparison(comparison(tmp_path / "runs", 1), str(tmp_path / name))
    assert str(error.value).count("\n") == 0
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png", "runs"]  # noqa: PTH208
