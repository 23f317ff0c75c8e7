"""How does a noisy curve become a line that misstates neither of its ends?"""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_SMOOTH_FROM = 21  # fewer points are seen one by one


def window_for(count: int) -> int:
    """Over how many points the line is smoothed: an odd number, and 1 for no smoothing."""
    return 1 if count < _SMOOTH_FROM else max(5, count // 20) | 1


def smooth(y: Values, window: int) -> Values:
    """The straight line through the points around each, at its place: their mean, but at an end their trend."""
    smoothed, known = np.full(len(y), np.nan), ~np.isnan(y)
    points, reach = y[known], window // 2
    line = np.array([_at(points, place, reach) for place in _near_the_ends(len(points), reach)])
    if len(points) > 2 * reach:
        means = np.convolve(points, np.ones(2 * reach + 1) / (2 * reach + 1), mode="valid")
        line = np.concatenate([line[:reach], means, line[reach:]])
    smoothed[known] = line
    return smoothed


def _near_the_ends(count: int, reach: int) -> list[int]:
    """The places that have fewer points on one side; all, where there are few."""
    return [place for place in range(count) if not reach <= place < count - reach]


def _at(points: Values, place: int, reach: int) -> float:
    first = max(0, place - reach)
    near = points[first : place + reach + 1]
    if len(near) == 1:
        return float(near[0])
    _, level = np.polyfit(np.arange(len(near)) - (place - first), near, 1)
    # A trend that goes on beyond all that was logged would be made up.
    return float(np.clip(level, near.min(), near.max()))


def smoothed_in_words(window: int) -> str:
    return f"mean of {window}, at its ends their trend"
