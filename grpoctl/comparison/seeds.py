"""How far does chance alone move a recipe's result? Its runs under several seeds, on a terminal."""

from collections.abc import Iterator

from grpoctl.comparison.modes import modes_in_words
from grpoctl.comparison.runs import Comparison, OverSeeds
from grpoctl.errors import printable
from grpoctl.table import table


def seeds_in_lines(comparison: Comparison) -> Iterator[str]:
    """A table for each mode, a row for each recipe that has runs of several seeds; nothing where none has."""
    groups = comparison.over_seeds
    words = modes_in_words(comparison.modes)
    for mode in dict.fromkeys(mode for group in groups for mode in group.modes):
        rows = [_row(group, mode) for group in groups if mode in group.modes]
        yield ""
        yield f"{words[mode]} accuracy after, over seeds:"
        yield from table([("  of", "seeds", "mean", "std", "lowest", "highest"), *rows], right=range(1, 6))


def _row(group: OverSeeds, mode: str) -> tuple[str, ...]:
    numbers = group.as_json()["accuracy"][mode]
    first, *others = group.runs
    name = f"  {printable(first.name)} and {len(others)} more"
    count = len(group.accuracies(mode))
    return name, str(count), *(f"{numbers[each]:.1%}" for each in ("mean", "std", "min", "max"))
