"""Intervals hold what they promise, and estimators are what they are called."""

from itertools import combinations
from math import comb, isnan
from random import Random

import numpy as np
import pytest

from grpoctl import statistics
from grpoctl.statistics import PairedTest, majority_right, mean_interval, paired_test, pass_at_k, share_interval

EVALS = 1000


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [200, 500])
def test_the_interval_of_a_share_holds_the_truth_in_95_of_100_evals(n: int, share: float) -> None:
    solved = np.random.default_rng(0).binomial(n, share, EVALS)
    held = [low <= share <= high for low, high in (share_interval(int(count), n) for count in solved)]
    assert 0.93 <= sum(held) / EVALS <= 0.97


# Problems that are either easy or hard, and problems that are all much the same.
@pytest.mark.parametrize("alike", [0.3, 10.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [200, 500])
def test_the_interval_of_clustered_samples_holds_the_truth_in_95_of_100_evals(
    n: int, share: float, alike: float
) -> None:
    chance = np.random.default_rng(0)
    solved = chance.beta(share * alike, (1 - share) * alike, (EVALS, n))
    means = chance.binomial(8, solved) / 8
    held = [low <= share <= high for low, high in (mean_interval(each.tolist(), share=True) for each in means)]
    assert 0.93 <= sum(held) / EVALS <= 0.97


def test_the_interval_of_any_mean_holds_the_truth_in_95_of_100_evals() -> None:
    rewards = np.random.default_rng(0).normal(1.5, 4.0, (EVALS, 12))
    held = [low <= 1.5 <= high for low, high in (mean_interval(each.tolist()) for each in rewards)]
    assert 0.93 <= sum(held) / EVALS <= 0.97


# The shares of problems that were lost and won between two evals.
@pytest.mark.parametrize(("lost", "won"), [(0.05, 0.05), (0.02, 0.1), (0.1, 0.3)])
@pytest.mark.parametrize("n", [200, 500])
def test_the_interval_of_a_difference_holds_the_truth_in_95_of_100_pairs_of_evals(
    n: int, lost: float, won: float
) -> None:
    chance = np.random.default_rng(0)
    held = 0
    for _ in range(EVALS):
        kinds = chance.choice(4, n, p=[lost, won, 0.3, 1 - lost - won - 0.3])
        before, after = np.isin(kinds, [0, 2]).astype(float), np.isin(kinds, [1, 2]).astype(float)
        test = paired_test(before.tolist(), after.tolist())
        held += test.low <= won - lost <= test.high
    assert 0.93 <= held / EVALS <= 0.97


def test_a_share_of_none_or_all_still_has_an_interval() -> None:
    # z² / (n + z²) with z² = 3.8415
    assert share_interval(0, 10) == pytest.approx((0.0, 3.8415 / 13.8415), abs=1e-4)
    assert share_interval(10, 10) == pytest.approx((10 / 13.8415, 1.0), abs=1e-4)
    assert share_interval(1, 1) == pytest.approx((1 / 4.8415, 1.0), abs=1e-4)
    assert (share_interval(0, 10)[0], share_interval(10, 10)[1]) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 10), (11, 10), (1, -1)])
def test_what_is_no_share_is_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        share_interval(successes, n)


@pytest.mark.parametrize("share", [True, False])
def test_right_or_wrong_answers_get_the_interval_of_their_share(share: bool) -> None:
    assert mean_interval([1.0, 0.0, 0.0, 1.0, 1.0], share=share) == share_interval(3, 5)
    assert mean_interval([0, 0], share=share) == share_interval(0, 2)
    assert mean_interval([True], share=share) == share_interval(1, 1)


def test_other_values_get_students_interval() -> None:
    # The mean is 2, the spread 1, and Student's quantile for 2 degrees of freedom 4.3027.
    half = 4.3027 / 3**0.5
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half), abs=1e-4)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062), (2, 4.3027), (9, 2.2622), (10, 2.2281), (11, 2.2010), (30, 2.0423), (120, 1.9799), (10**9, 1.96)],
)
def test_students_quantile_is_that_of_the_printed_tables(freedom: int, quantile: float) -> None:
    assert statistics._t_quantile(freedom) == pytest.approx(quantile, abs=6e-5)


def test_the_interval_of_shares_stays_between_0_and_1_and_around_the_mean() -> None:
    nearly_all = [1.0] * 199 + [0.875]
    low, high = mean_interval(nearly_all, share=True)
    assert 0.99 < low < sum(nearly_all) / 200 < high < 1
    assert mean_interval(nearly_all)[1] > 1  # which is why a share is told apart


def test_shares_that_are_all_the_same_are_no_certainty() -> None:
    assert mean_interval([0.5] * 4, share=True) == pytest.approx(statistics._wilson(0.5, 4, 3.182446))


def test_one_value_says_nothing_of_the_spread() -> None:
    assert all(isnan(end) for end in mean_interval([0.3]))
    assert mean_interval([0.3], share=True) == (0.0, 1.0)


def test_no_values_have_no_interval_and_a_share_is_no_more_than_1() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_interval([0.5, 1.5], share=True)


def test_pass_at_k_is_the_share_of_choices_with_a_right_sample() -> None:
    for n in range(1, 9):
        for correct in range(n + 1):
            for k in range(1, n + 1):
                # Samples 0 to correct - 1 are the right ones.
                choices = [min(chosen) < correct for chosen in combinations(range(n), k)]
                assert pass_at_k(n, correct, k) == sum(choices) / len(choices)


def test_pass_at_k_is_the_closed_form_where_floats_would_lose_it() -> None:
    assert pass_at_k(1000, 1, 1) == 0.001
    # One right sample among 100,000 is among 3 chosen in 3 of 100,000 cases.
    assert pass_at_k(100_000, 1, 3) == 3e-5
    assert pass_at_k(2000, 5, 1000) == 1 - comb(1995, 1000) / comb(2000, 1000)
    # 1 - 1/C(2000, 1000), of which a float holds nothing but the 1
    assert pass_at_k(2000, 1000, 1000) == 1.0


def test_pass_at_k_has_no_bias() -> None:
    chance = Random(0)
    # A problem solved with 0.3 is solved within 4 samples with 1 - 0.7**4 = 0.7599.
    estimates = [pass_at_k(16, sum(chance.random() < 0.3 for _ in range(16)), 4) for _ in range(4000)]
    assert sum(estimates) / 4000 == pytest.approx(1 - 0.7**4, abs=0.01)


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 2, 5), (4, 2, 0), (4, 5, 1), (4, -1, 1), (0, 0, 1)])
def test_pass_at_k_refuses_what_cannot_be(n: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError):
        pass_at_k(n, correct, k)


def test_the_most_frequent_answer_wins() -> None:
    assert majority_right([("18", True), ("17", False), ("18", True)]) == 1.0
    assert majority_right([("18", True), ("17", False), ("17", False)]) == 0.0


def test_answers_as_frequent_count_by_the_share_that_is_right() -> None:
    assert majority_right([("18", True), ("17", False)]) == 0.5
    assert majority_right([("18", True), ("17", False), ("16", False), ("16", False), ("18", True)]) == 0.5
    assert majority_right([("a", True), ("b", False), ("c", False)]) == pytest.approx(1 / 3)


def test_a_missing_answer_never_wins() -> None:
    assert majority_right([(None, False), (None, False), ("18", True)]) == 1.0
    assert majority_right([(None, False), (None, False)]) == 0.0
    with pytest.raises(ValueError, match="no answers"):
        majority_right([])


def outcomes(both: int, lost: int, won: int, neither: int) -> tuple[list[float], list[float]]:
    before = [1.0] * (both + lost) + [0.0] * (won + neither)
    after = [1.0] * both + [0.0] * lost + [1.0] * won + [0.0] * neither
    return before, after


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [
        (1, 5, 14 / 64),  # 2 * (C(6, 0) + C(6, 1)) / 2**6
        (5, 1, 14 / 64),
        (0, 8, 2 / 256),
        (2, 8, 112 / 1024),  # 2 * (1 + 10 + 45) / 2**10
        (1, 1, 1.0),  # 2 * (1 + 2) / 2**2 is more than can be
        (0, 0, 1.0),
    ],
)
def test_mcnemar_is_what_a_hand_computes(lost: int, won: int, p: float) -> None:
    test = paired_test(*outcomes(3, lost, won, 4))
    assert test.p == p
    assert test.difference == pytest.approx((won - lost) / (7 + lost + won))
    assert test.low < test.difference < test.high


def test_the_interval_of_a_difference_is_what_a_hand_computes() -> None:
    # 10 problems and half a problem more in each of 4 kinds: 1.5 lost and 5.5 won of 12. The middle is 4 / 12, the
    # variance (7 / 12 - 1 / 9) / 12 = 0.039352, its root 0.19837, and 1.96 times that 0.38880.
    test = paired_test(*outcomes(2, 1, 5, 2))
    assert (test.low, test.high) == pytest.approx((-0.05547, 0.72213), abs=1e-4)


def test_a_difference_of_shares_stays_between_minus_1_and_1() -> None:
    test = paired_test([0.0], [1.0])
    assert (test.difference, test.high, test.p) == (1.0, 1.0, 1.0)
    assert paired_test([1.0] * 3, [0.0] * 3).low == -1.0


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0], [0.25, 0.5, 0.75], [0.3]])
def test_the_same_values_twice_differ_by_nothing(values: list[float]) -> None:
    test = paired_test(values, values)
    assert (test.difference, test.p) == (0.0, 1.0)


def test_few_other_values_are_flipped_in_every_way() -> None:
    # Of the 8 ways to set 3 signs, only +++ and --- come to 1.5; the pair that is the same has no sign.
    test = paired_test([0.5, 1.0, 0.0, 0.75], [1.0, 1.5, 0.5, 0.75])
    assert test.p == 2 / 8
    # The differences are 0.5, 0.5, 0.5, 0: mean 0.375, spread 0.25, and Student's quantile for 3 is 3.1824.
    assert test.low == pytest.approx(0.375 - 3.1824 * 0.125, abs=1e-4)
    # 0.1 + 0.2 - 0.3 is 5.6e-17, and as far from 0 as any other order.
    assert paired_test([0.0, 0.0, 0.3], [0.1, 0.2, 0.0]).p == 1.0


def test_many_other_values_are_flipped_by_chance_and_always_alike() -> None:
    # 30 differences of one size, 20 of them up: a coin's 10 or fewer of 30, on both sides.
    exact = 2 * sum(comb(30, count) for count in range(11)) / 2**30
    before = [0.25] * 30
    after = [0.75] * 20 + [-0.25] * 10
    test = paired_test(before, after)
    assert test.p == pytest.approx(exact, abs=0.009)  # 0.0987, and three standard errors of 10,000 draws
    assert test == paired_test(before, after)
    assert paired_test(after, before) == PairedTest(-test.difference, -test.high, -test.low, test.p)


def test_the_order_that_was_seen_is_among_those_that_chance_gives() -> None:
    assert paired_test([0.1] * 100, [0.2] * 100).p == 1 / 10_001


@pytest.mark.parametrize(("before", "after"), [([], []), ([1.0], []), ([1.0], [0.0, 1.0])])
def test_lists_of_unequal_length_are_no_pairs(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError, match="are no pairs"):
        paired_test(before, after)
