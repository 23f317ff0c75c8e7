"""A run's curves as pictures: what is drawn, when, and that nobody sees half of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_run import Told, make_run, step

from grpoctl.run import plots
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Event
from grpoctl.run.plots import PlotSink, draw_plots

pytest.importorskip("matplotlib")

BLUE = (0x00, 0x72, 0xB2)


def metrics(number: int, kl: float | None = 0.01) -> Told:
    return step(
        number,
        reward=1.2,
        reward_std=0.3,
        kl=kl,
        zero_std_share=0.25,
        **{"rewards/accuracy/mean": 1.0, "completions/mean_length": 20.5, "completions/clipped_ratio": 0.0},
    )


def names(files: list[Path]) -> list[str]:
    return [path.name for path in files]


def shows(path: Path, colour: tuple[int, int, int]) -> bool:
    """Whether a pixel of a picture has exactly that colour."""
    from matplotlib.image import imread

    pixels = np.rint(imread(path)[:, :, :3] * 255).astype(int)
    return bool((pixels == colour).all(axis=2).any())


@pytest.mark.parametrize("steps", [1, 60])
def test_every_curve_is_drawn_and_seen_from_the_first_step_on(steps: int, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", *(metrics(number) for number in range(1, steps + 1)))
    files = draw_plots(run)
    assert names(files) == ["reward.png", "reward_std.png", "kl.png", "lengths.png", "zero_std_share.png"]
    assert all(shows(path, BLUE) for path in files)
    assert sorted(run.plots.iterdir()) == sorted(files), "something unfinished was left behind"


def test_what_has_no_number_has_no_picture(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", metrics(1, kl=None), ("run_resumed", {"step": 0}), step(1, reward=0.5, kl=None))
    assert names(draw_plots(run)) == ["reward.png"]


def test_a_run_without_a_step_has_no_pictures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", ("run_started", {"step": 0, "max_steps": 80}))
    assert draw_plots(run) == []
    assert not run.plots.exists()


def test_a_gap_and_a_name_without_glyphs_are_no_fault(tmp_path: Path) -> None:
    rewards: list[Event] = [{"rewards/数学/mean": None}, {"rewards/数学/mean": 0.5}, {}]
    run = make_run(tmp_path / "r", *(step(number, reward=number / 4, **more) for number, more in enumerate(rewards)))
    assert names(draw_plots(run)) == ["reward.png"]


def test_a_drawing_that_fails_leaves_the_older_picture_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    run = make_run(tmp_path / "r", step(1, reward=0.5))
    [path] = draw_plots(run)
    before = path.read_bytes()

    def fill_the_disk(figure: Figure, name: Path, format: str) -> None:
        name.write_bytes(b"\x89PNG")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", fill_the_disk)
    with pytest.raises(OSError):
        draw_plots(run)
    assert list(run.plots.iterdir()) == [path]
    assert path.read_bytes() == before


def test_drawing_leaves_pyplot_and_its_state_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", step(1, reward=0.5))
    code = (
        "import sys; from pathlib import Path; from grpoctl.run.directory import RunDirectory;"
        "from grpoctl.run.plots import draw_plots; assert 'matplotlib' not in sys.modules;"
        "draw_plots(RunDirectory(Path(sys.argv[1]))); print('matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(run.path)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "False\n"


def test_steps_are_marked_in_ones_twos_and_fives() -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    axes.set_xlim(0, 590)
    plots.mark_steps(axes)
    assert list(axes.get_xticks()) == [0, 100, 200, 300, 400, 500, 600]


def test_answers_that_are_one_token_each_have_no_picture_of_lengths(tmp_path: Path) -> None:
    digit = {"completions/mean_length": 1.0, "completions/clipped_ratio": 0.0}
    run = make_run(tmp_path / "r", *(step(number, reward=0.5, **digit) for number in (10, 20)))
    assert names(draw_plots(run)) == ["reward.png"]


class Clock:
    """Time that a test moves; a drawing takes as long as it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, drawing_s: float) -> None:
        self.now, self.drawing_s = 1000.0, drawing_s
        self.drawn_at: list[float] = []
        monkeypatch.setattr(plots, "monotonic", lambda: self.now)
        monkeypatch.setattr(plots, "draw_plots", self.draw)

    def draw(self, run: RunDirectory, *, loss: bool) -> None:
        self.drawn_at.append(self.now)
        self.now += self.drawing_s


@pytest.mark.parametrize(
    ("drawing_s", "drawn_at"),
    [
        (0.5, [1030, 1061]),  # 30 s behind 1030.5, at the next whole second
        (0.8, [1030, 1071]),  # 50 times as long as it took, which is 40 s behind 1030.8
    ],
)
def test_the_sink_draws_after_half_a_minute_and_then_rarely(
    drawing_s: float, drawn_at: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, drawing_s)
    sink = PlotSink(RunDirectory(tmp_path))
    for second in range(1000, 1080):
        clock.now = float(second)
        sink.hear({"event": "step_logged", "step": second})
    assert clock.drawn_at == drawn_at


def test_the_sink_draws_for_steps_alone_and_once_more_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, 0.5)
    sink = PlotSink(RunDirectory(tmp_path))
    sink.hear({"event": "eval_finished", "step": 0})
    assert clock.drawn_at == []
    sink.close()
    assert clock.drawn_at == [1000]
