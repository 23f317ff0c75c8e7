"""How do columns with long names stand side by side on a terminal, and where does what has no room go?"""

from collections.abc import Iterator, Sequence

from grpoctl.table import columns_of, table

# A label, and a cell for each column; a title has none.
Row = tuple[str, Sequence[str]]

# Shorter names tell too little.
_SHORTEST = 12


def side_by_side(names: Sequence[str], rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """The table; columns for which a terminal of that width has no room come below. None is a width without end."""
    rows = [(label, cells or [""] * len(names)) for label, cells in rows]
    cells = [max(columns_of(cells[place]) for _, cells in rows) for place in range(len(names))]
    room = None if width is None else width - max(columns_of(label) for label, _ in rows)
    widths = _widths(names, cells)
    if room is not None and sum(widths) > room:
        names = shortened(names, [max(cell, _SHORTEST) for cell in cells])
        widths = _widths(names, cells)
    for number_of_block, (start, end) in enumerate(_blocks(widths, room)):
        if number_of_block:
            yield ""
        part = [("", *names[start:end]), *((label, *cells[start:end]) for label, cells in rows)]
        yield from table(part, right=range(1, 1 + end - start))


def _widths(names: Sequence[str], cells: Sequence[int]) -> list[int]:
    return [2 + max(columns_of(name), cell) for name, cell in zip(names, cells, strict=True)]


def shortened(names: Sequence[str], most: Sequence[int]) -> list[str]:
    """Names cut from the left, where they are alike, but never so far that two become the same."""
    for longer in range(max(map(columns_of, names))):
        short = [shorten(name, limit + longer) for name, limit in zip(names, most, strict=True)]
        if len(set(short)) == len(short):
            return short
    return list(names)


def shorten(name: str, columns: int) -> str:
    """The end of a name, which is what tells runs of one folder apart."""
    if columns_of(name) <= columns:
        return name
    name = name[-columns:]
    while columns_of(name) > columns - 1:
        name = name[1:]
    return f"…{name}"


def _blocks(widths: Sequence[int], room: int | None) -> Iterator[tuple[int, int]]:
    """From which column to which, as many as there is room for and at least one."""
    start = 0
    while start < len(widths):
        end = start + 1
        while end < len(widths) and (room is None or sum(widths[start : end + 1]) <= room):
            end += 1
        yield start, end
        start = end
