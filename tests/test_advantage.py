"""Advantages against numbers worked out by hand, the documents' own examples among them."""

import numpy as np
import pytest

from grpoctl.advantage import Floats, advantages, expected_flat_share, is_flat, spread

NAN = float("nan")


def groups(*rows: list[float]) -> Floats:
    return np.array(rows, dtype=np.float64)


def test_two_right_of_four_are_half_above_and_half_below() -> None:
    rewards = groups([1, 0, 1, 0])
    assert advantages(rewards, "none").tolist() == [[0.5, -0.5, 0.5, -0.5]]
    # The deviation with n - 1 is sqrt(4 x 0.25 / 3) = 0.577350, and 0.5 / (0.577350 + 0.000001) = 0.866024.
    assert advantages(rewards) == pytest.approx(groups([0.866024, -0.866024, 0.866024, -0.866024]), abs=1e-6)


def test_the_documents_group_of_eight() -> None:
    # They add up to 60.8, so their mean is 7.6.
    rewards = groups([7.2, 8.5, 6.1, 9.0, 7.8, 6.5, 8.2, 7.5])
    expected = groups([-0.4, 0.9, -1.5, 1.4, 0.2, -1.1, 0.6, -0.1])
    assert advantages(rewards, "none") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("group", "sign"),
    [
        ([12, 10, 9, 9], 1),  # 12 where the mean is 10
        ([90, 95, 97, 98], -1),  # 90 where the mean is 95: a high reward, and yet the worst of its group
    ],
)
def test_only_the_group_decides_whether_a_reward_is_good(group: list[float], sign: int) -> None:
    for scale in ("group", "batch", "none"):
        assert np.sign(advantages(groups(group), scale)[0, 0]) == sign


@pytest.mark.parametrize(
    "group",
    [
        [0.0] * 4,
        [1.0] * 4,
        [0.3 * 1 + 1.0 * 0.7] * 7,
        [1.3] * 10,  # whose mean, added up from the left, need not be 1.3
        [0.3 + 1.0 + 0.1, 0.1 + 1.0 + 0.3, 0.1 + 0.3 + 1.0],  # the same weighted rewards in three orders
        [0.1 + 0.2, 0.3],  # 0.30000000000000004 and 0.3
        [1e8 * (0.1 + 0.2), 1e8 * 0.3],  # 4e-9 apart
    ],
)
def test_a_flat_group_is_exactly_zero(group: list[float]) -> None:
    for scale in ("group", "batch", "none"):
        assert not advantages(groups(group), scale).any()
    assert is_flat(groups(group)).tolist() == [True]


def test_a_small_spread_is_no_flat_group() -> None:
    assert is_flat(groups([1e-6, 0], [0.5, 0.5 + 1e-6])).tolist() == [False, False]


def test_an_answer_without_a_score_gets_zero_and_leaves_the_mean_alone() -> None:
    # The mean of 1 and 0 is 0.5; NaN as 0 would have made it 0.33.
    assert advantages(groups([1, 0, NAN]), "none").tolist() == [[0.5, -0.5, 0]]
    # Their deviation is sqrt(2 x 0.25 / 1) = 0.707107, and 0.5 / 0.707108 = 0.707106.
    assert advantages(groups([1, 0, NAN])) == pytest.approx(groups([0.707106, -0.707106, 0]), abs=1e-6)


@pytest.mark.parametrize("group", [[NAN, NAN], [0.7, NAN], [1, 1, NAN]])
def test_a_group_with_nothing_to_compare_is_flat(group: list[float]) -> None:
    assert not advantages(groups(group)).any()
    assert is_flat(groups(group)).tolist() == [True]


def test_scale_batch_divides_every_group_by_one_deviation() -> None:
    # 1, 0, 3 and 2 lie 0.5, 1.5, 1.5 and 0.5 from 1.5: sqrt(5 / 3) = 1.290994, and 0.5 / 1.290995 = 0.387298.
    given = advantages(groups([1, 0], [3, 2]), "batch")
    assert given == pytest.approx(groups([0.387298, -0.387298], [0.387298, -0.387298]), abs=1e-6)


def test_the_scale_of_the_rewards_hardly_moves_a_scaled_advantage() -> None:
    rewards = groups([1, 0, 1, 0], [7.2, 8.5, 6.1, 9.0])
    # The epsilon of 1e-6 is 0.2% of the first group's deviation, which is 0.00058 by then.
    assert advantages(rewards * 1e-3) == pytest.approx(advantages(rewards), rel=2e-3)
    assert advantages(rewards * 1e3) == pytest.approx(advantages(rewards), rel=2e-6)


def test_spread_of_one_mixed_and_one_flat_group() -> None:
    found = spread(groups([1, 0, 1, 0], [1, 1, 1, 1]))
    assert found == pytest.approx(
        {
            "reward": 0.75,  # 6 of 8
            "reward_std": 0.288675,  # the mean of 0.577350 and 0
            "zero_std_share": 0.5,
            "advantage_std": 0.353553,  # four times 0.5 and four times 0: sqrt(4 x 0.25 / 8)
            "baseline_error": 0.144338,  # 0.288675 / sqrt(4)
        },
        abs=1e-6,
    )


@pytest.mark.parametrize("num_generations", [2, 8, 64])
def test_advantage_std_of_balanced_rewards_is_a_half_at_any_group_size(num_generations: int) -> None:
    assert spread(groups([1, 0] * (num_generations // 2)))["advantage_std"] == 0.5


def test_a_step_without_any_score_has_no_reward() -> None:
    found = spread(groups([NAN, NAN]))
    assert np.isnan(found.pop("reward"))
    assert found == {"reward_std": 0, "zero_std_share": 1, "advantage_std": 0, "baseline_error": 0}


@pytest.mark.parametrize(
    ("solve_rate", "num_generations", "share"),
    [
        (0.5, 8, 0.0078125),  # 2 / 256
        (0.9, 8, 0.43046722),  # 0.9^8 = 0.43046721 and 0.1^8 = 0.00000001
        (0.0, 8, 1.0),
        (1.0, 8, 1.0),
        (0.5, 1, 1.0),  # one answer has nobody to be compared with
    ],
)
def test_expected_flat_share(solve_rate: float, num_generations: int, share: float) -> None:
    assert expected_flat_share(solve_rate, num_generations) == pytest.approx(share, abs=1e-12)
