"""A smoothed line goes through the noise and keeps both ends."""

import numpy as np
import pytest

from grpoctl.run.smoothing import smooth, window_for


def test_a_smoothed_point_is_the_mean_of_those_around_it() -> None:
    line = smooth(np.array([0, 3, 9, np.nan, 6.0]), 3)
    # (0 + 3 + 9) / 3, (3 + 9 + 6) / 3, a gap stays a gap; at an end the line through two points
    assert line == pytest.approx(np.array([0, 4, 6, np.nan, 6]), nan_ok=True)


def test_a_smoothed_line_begins_and_ends_where_the_run_did() -> None:
    rising = np.concatenate([[np.nan], np.linspace(0.0, 1.0, 60) ** 3])
    line = smooth(rising, 11)
    # Half a window's mean would be 0.0013 too high and 0.12 too low.
    assert (line[1], line[-1]) == pytest.approx((0.0, 1.0), abs=0.02)
    straight = np.linspace(2.0, 5.0, 40)
    assert smooth(straight, 9) == pytest.approx(straight)


@pytest.mark.parametrize(("count", "window"), [(1, 1), (20, 1), (21, 5), (80, 5), (3000, 151)])
def test_more_points_are_smoothed_over_more(count: int, window: int) -> None:
    assert window_for(count) == window


def test_the_noise_of_the_last_point_is_not_the_end_of_the_line() -> None:
    noisy = np.tile([0.0, 1.0], 1500)
    assert smooth(noisy, 151) == pytest.approx(np.full(3000, 0.5), abs=0.02)


def test_a_trend_never_leaves_what_was_logged() -> None:
    line = smooth(np.minimum(np.linspace(0, 3, 40), 1.0), 9)
    assert line.min() > -1e-9 and line.max() < 1 + 1e-9
