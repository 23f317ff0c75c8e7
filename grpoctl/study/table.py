"""How does a study of group sizes read on a terminal?"""

from collections.abc import Iterator, Sequence

from grpoctl.study.result import RECOMMENDED, SizeResult
from grpoctl.table import table


def study_in_lines(results: Sequence[SizeResult]) -> list[str]:
    return [*table(list(_rows(results)), right=range(10)), "", *_remarks(results), "", *_recommended()]


def _rows(results: Sequence[SizeResult]) -> Iterator[list[str]]:
    yield ["", "", "", "accuracy", "", "", "groups", "mean's error", "", "s a run,"]
    yield ["G", "updates", "samples", "train", "test", "lowest", "all alike", "first", "theory", "compiling too"]
    for each in results:
        yield [
            str(each.num_generations),
            f"{each.updates:,}",
            f"{each.samples:,}",
            f"{each.mean(lambda run: run.train_accuracy):.1%}",
            f"{each.mean(lambda run: run.test_accuracy):.1%}",
            f"{min(run.test_accuracy for run in each.trained):.1%}",
            f"{each.mean(lambda run: run.zero_std_share):.0%}",
            f"{each.mean(lambda run: run.first_error):.4f}",
            f"{each.mean(lambda run: run.first_expected):.4f}",
            f"{each.mean(lambda run: run.seconds):.1f}",
        ]


def _remarks(results: Sequence[SizeResult]) -> Iterator[str]:
    best = max(results, key=lambda each: each.mean(lambda run: run.test_accuracy))
    lowest = min(run.test_accuracy for run in best.trained)
    level = [each for each in results if each.mean(lambda run: run.test_accuracy) >= lowest]
    runs = len(best.trained)
    seeds = f"the mean of {runs} seeds" if runs > 1 else "1 seed, which says little of its own spread"
    said = (
        f"best on the test digits: G = {best.num_generations}, {best.mean(lambda run: run.test_accuracy):.1%} ({seeds})"
    )
    if runs > 1 and len(level) > 1:
        others = ", ".join(str(each.num_generations) for each in level if each is not best)
        said += f"; its own lowest seed is no better than the mean with G = {others}"
    yield said
    deviations = [each.mean(lambda run: run.advantage_std) for each in results]
    low, high = f"{min(deviations):.2f}", f"{max(deviations):.2f}"
    yield (
        f"the advantages' spread is {low if low == high else f'{low} to {high} over all sizes'}: it goes by how "
        "often answers are right, and says nothing of G"
    )


def _recommended() -> Iterator[str]:
    yield "the document's own table, with nothing measured behind it:"
    yield from table([(f"  {what}", size, why) for what, size, why in RECOMMENDED])
    yield "  begin with 64; raise it where the advantages' spread is over 1.0, lower it where that is under 0.5"
