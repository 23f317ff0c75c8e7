"""How sure is a number of an evaluation, and is one model really better than another?

Everything is two-sided at 95%, and the same input gives the same output: what is drawn by chance has a fixed seed.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, nan, sqrt
from operator import getitem, mul
from statistics import fmean, variance

# The normal distribution's quantile of 0.975.
_Z = 1.959963984540054
# Student's, for 1 to 9 degrees of freedom; from there on its expansion is right to 5 digits.
_T = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)

_FLIPS = 10_000
_EXACT_UP_TO = 12  # 2**12 ways to flip the signs are fewer than the draws


@dataclass(frozen=True, slots=True)
class PairedTest:
    """By how much the second is higher, with the interval, and p: how likely chance alone sets them so far apart."""

    difference: float
    low: float
    high: float
    p: float


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's interval for the share of n problems that were solved."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is no share")
    return _wilson(successes / n, n, _Z)


def mean_interval(values: Sequence[float], *, share: bool = False) -> tuple[float, float]:
    """The interval of a mean over problems, each value being one problem's mean over its samples.

    Samples of one problem are alike, so the problems are counted, not the samples. One value alone says nothing of the
    spread: (nan, nan). `share` says that values are shares, and keeps the interval within 0 and 1.
    """
    if not values:
        raise ValueError("no values, no interval")
    if share and not (min(values) >= 0 and max(values) <= 1):
        raise ValueError("shares lie between 0 and 1")
    n, mean = len(values), fmean(values)
    if _are_right_or_wrong(values):
        return share_interval(round(sum(values)), n)
    if n == 1:
        return (0.0, 1.0) if share else (nan, nan)
    error = sqrt(variance(values, mean) / n)
    if not share:
        half = _t_quantile(n - 1) * error
        return mean - half, mean + half
    # Wilson's for as many right-or-wrong problems as would be off by as much. Plain mean ± half misses too often where
    # nearly all problems are solved, or nearly none. All values the same is luck, and counts as one sample each.
    problems = mean * (1 - mean) / error**2 if error > 1e-9 else n
    return _wilson(mean, problems, _t_quantile(n - 1))


def pass_at_k(n: int, correct: int, k: int) -> float:
    """How likely at least one of k samples is right, estimated without bias from n samples."""
    if not 1 <= k <= n:
        raise ValueError(f"k is {k}, and there are {n} samples")
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} samples is no count")
    # In whole numbers, which the division rounds once.
    return (comb(n, k) - comb(n - correct, k)) / comb(n, k)


def majority_right(answers: Sequence[tuple[str | None, bool]]) -> float:
    """Whether the most frequent answer of a problem is right; of several as frequent, the share that is.

    None stands for no answer, and is never the winner.
    """
    if not answers:
        raise ValueError("no answers, no majority")
    votes: defaultdict[str, list[bool]] = defaultdict(list)
    for answer, right in answers:
        if answer is not None:
            votes[answer].append(right)
    most = max(map(len, votes.values()), default=0)
    return fmean(fmean(rights) for rights in votes.values() if len(rights) == most) if votes else 0.0


def paired_test(before: Sequence[float], after: Sequence[float]) -> PairedTest:
    """The second against the first on the same problems, in the same order.

    It is McNemar's exact test where every value is right or wrong (0 or 1), else a test by flipping signs.
    """
    if not before or len(before) != len(after):
        raise ValueError(f"{len(before)} and {len(after)} values are no pairs")
    if _are_right_or_wrong(before) and _are_right_or_wrong(after):
        lost = sum(one > other for one, other in zip(before, after, strict=True))
        won = sum(one < other for one, other in zip(before, after, strict=True))
        return _mcnemar(lost, won, len(before))
    differences = [other - one for one, other in zip(before, after, strict=True)]
    low, high = mean_interval(differences) if len(differences) > 1 else (nan, nan)
    return PairedTest(fmean(differences), low, high, _p_of_flips(differences))


def _mcnemar(lost: int, won: int, n: int) -> PairedTest:
    """Of the problems that only one of the two solved, chance gives each its half.

    The interval is that of Agresti and Min (2005), half a problem being added to each of the four kinds.
    """
    p = min(1.0, 2 * _as_few_or_fewer(min(lost, won), lost + won))
    middle = (won - lost) / (n + 2)
    half = _Z * sqrt((won + lost + 1) / (n + 2) - middle**2) / sqrt(n + 2)
    return PairedTest((won - lost) / n, max(-1.0, middle - half), min(1.0, middle + half), p)


def _as_few_or_fewer(heads: int, tosses: int) -> float:
    """How likely a fair coin shows that many heads or fewer."""
    ways = total = 1
    for count in range(heads):
        ways = ways * (tosses - count) // (count + 1)
        total += ways
    return total / (1 << tosses)


def _p_of_flips(differences: Sequence[float]) -> float:
    """How often the sum is as far from 0 when chance sets each difference's sign."""
    sizes = [abs(difference) for difference in differences if difference]  # zero has no sign
    # Sums of the same numbers in another order differ in their last digits.
    observed = abs(sum(differences)) - 1e-9 * sum(sizes)
    if len(sizes) <= _EXACT_UP_TO:
        sums: list[float] = [abs(sum(map(mul, signs, sizes))) for signs in product((1.0, -1.0), repeat=len(sizes))]
        return sum(each >= observed for each in sums) / len(sums)
    as_far = sum(abs(each) >= observed for each in _flipped_sums(sizes))
    return (as_far + 1) / (_FLIPS + 1)  # the order that was observed is one of those possible


def _flipped_sums(sizes: Sequence[float]) -> Iterator[float]:
    """Sums with random signs, eight numbers at a time: a random byte looks up what its signs make of them."""
    groups = [sizes[start : start + 8] for start in range(0, len(sizes), 8)]
    tables = [
        [sum(size if byte >> place & 1 else -size for place, size in enumerate(group)) for byte in range(256)]
        for group in groups
    ]
    chance = random.Random(0)
    for _ in range(_FLIPS):
        yield sum(map(getitem, tables, chance.randbytes(len(tables))))


def _wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    squared = quantile**2 / n
    middle = (share + squared / 2) / (1 + squared)
    half = quantile * sqrt(share * (1 - share) / n + squared / (4 * n)) / (1 + squared)
    # Rounding must not push it off its own end, nor beyond what a share can be.
    return (max(0.0, middle - half) if share > 0 else 0.0), (min(1.0, middle + half) if share < 1 else 1.0)


def _t_quantile(freedom: int) -> float:
    """Student's quantile of 0.975: a table, then Abramowitz and Stegun 26.7.5."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    z, part = _Z, 1 / freedom
    terms = (
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (z**3 + z) / 4,
        z,
    )
    value = 0.0
    for term in terms:
        value = value * part + term
    return value


def _are_right_or_wrong(values: Sequence[float]) -> bool:
    return all(value in (0, 1) for value in values)
