"""How does each answer compare with its siblings? The group-relative advantage, one function for every engine.

Shapes: `rewards_P_G` holds the reward of answer g to prompt p; NaN marks an answer that could not be scored.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Small against any reward in use, so that scaling all rewards hardly moves an advantage. Flat groups never meet it.
STD_EPSILON = 1e-6

# A weighted sum of equal rewards may differ in its last digits; such a group is flat all the same.
_FLAT = 1e-9


def advantages(rewards_P_G: Floats, scale: Literal["group", "batch", "none"] = "group") -> Floats:
    """Reward minus the group's mean, divided by the standard deviation (n - 1) of the group, of the batch, or not.

    An answer without a score has no part in its group's mean and gets 0, as does every answer of a flat group.
    """
    differences_P_G = centred(rewards_P_G)
    if scale == "group":
        differences_P_G = differences_P_G / (_deviation(rewards_P_G) + STD_EPSILON)[:, None]
    elif scale == "batch":
        differences_P_G = differences_P_G / (_deviation(rewards_P_G.reshape(1, -1))[0] + STD_EPSILON)
    return np.nan_to_num(differences_P_G, nan=0.0)


def centred(rewards_P_G: Floats) -> Floats:
    """Reward minus the mean of its group; exactly 0 throughout a flat group."""
    differences_P_G = rewards_P_G - _mean(rewards_P_G)[:, None]
    return np.where(is_flat(rewards_P_G)[:, None] & ~np.isnan(rewards_P_G), 0.0, differences_P_G)


def is_flat(rewards_P_G: Floats) -> NDArray[np.bool_]:
    """Which groups have no spread, and so teach nothing."""
    high = np.where(np.isnan(rewards_P_G), -np.inf, rewards_P_G).max(axis=1)
    low = np.where(np.isnan(rewards_P_G), np.inf, rewards_P_G).min(axis=1)
    largest = np.maximum(np.abs(high), 1.0)
    flat: NDArray[np.bool_] = ~(high - low > _FLAT * np.where(np.isfinite(largest), largest, 1.0))
    return flat


def spread(rewards_P_G: Floats) -> dict[str, float]:
    """What the raw rewards say of a step: their mean, their spread, and how well a group knows its own mean."""
    deviation_P = _deviation(rewards_P_G)
    scored = rewards_P_G[~np.isnan(rewards_P_G)]
    return {
        "reward": float(scored.mean()) if scored.size else float("nan"),
        "reward_std": float(deviation_P.mean()),
        "zero_std_share": float(is_flat(rewards_P_G).mean()),
        "advantage_std": float(np.nan_to_num(centred(rewards_P_G)).std()),
        "baseline_error": float(deviation_P.mean() / np.sqrt(rewards_P_G.shape[1])),
    }


def expected_flat_share(solve_rate: float, num_generations: int) -> float:
    """The share of groups in which all answers are right or all are wrong, where each is right by that chance."""
    return float(solve_rate**num_generations + (1 - solve_rate) ** num_generations)


def _mean(values_P_G: Floats) -> Floats:
    scored = ~np.isnan(values_P_G)
    mean: Any = np.where(scored, values_P_G, 0.0).sum(axis=1) / np.maximum(scored.sum(axis=1), 1)
    return np.asarray(mean, dtype=np.float64)


def _deviation(values_P_G: Floats) -> Floats:
    """The standard deviation with n - 1; 0 where fewer than two are scored."""
    scored = ~np.isnan(values_P_G)
    squares_P_G = np.where(scored, (values_P_G - _mean(values_P_G)[:, None]) ** 2, 0.0)
    deviation_P: Floats = np.sqrt(squares_P_G.sum(axis=1) / np.maximum(scored.sum(axis=1) - 1, 1))
    return deviation_P
