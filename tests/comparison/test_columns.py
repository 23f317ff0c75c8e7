"""Columns with long names on a terminal."""

from grpoctl.comparison.columns import shorten, shortened, side_by_side


def lines(names: list[str], rows: list[tuple[str, list[str]]], width: int | None) -> list[str]:
    return list(side_by_side(names, rows, width))


def test_a_column_is_as_wide_as_its_widest_cell_and_a_title_has_no_cells() -> None:
    rows = [("status", ["finished", "dead"]), ("title", []), ("  reward", ["1", "2.5"])]
    assert lines(["a", "long/name"], rows, 80) == [
        "                 a  long/name",
        "status    finished       dead",
        "title",
        "  reward         1        2.5",
    ]  # fmt: skip


def test_where_there_is_no_room_names_are_cut_from_the_left() -> None:
    rows = [("key", ["1", "2"])]
    names = ["qwen3/lora/lr-1e-5", "qwen3/lora/lr-2e-5"]
    assert lines(names, rows, 43) == [
        "     qwen3/lora/lr-1e-5  qwen3/lora/lr-2e-5",
        "key                   1                   2",
    ]
    assert lines(names, rows, 42) == ["     …ora/lr-1e-5  …ora/lr-2e-5", "key             1             2"]
    assert lines(names, rows, None) == lines(names, rows, 43)


def test_runs_without_room_come_below() -> None:
    rows = [("key", ["1234567890", "2", "3"])]
    # 3 columns of the label, and 12 of the first and of the second: one too many for 26.
    assert lines(["a", "b" * 10, "c"], rows, 26) == [
        "              a", "key  1234567890",
        "",
        "     bbbbbbbbbb  c", "key           2  3",
    ]  # fmt: skip
    assert len(lines(["a", "b" * 10, "c"], rows, 27)) == 5
    assert len(lines(["a", "b" * 10, "c"], rows, 1)) == 8, "a column may be too wide and is shown all the same"


def test_names_are_never_cut_until_they_are_the_same() -> None:
    names = ["a/lora/grpo", "b/lora/grpo"]
    assert shortened(names, [5, 5]) == names
    assert shortened(["x/a/lora/grpo", "x/b/lora/grpo"], [5, 5]) == ["…a/lora/grpo", "…b/lora/grpo"]
    assert shortened(["long/enough", "b"], [4, 4]) == ["…ugh", "b"]


def test_a_name_is_cut_by_the_columns_that_it_takes() -> None:
    assert shorten("qwen3/数学", 6) == "…/数学"
    assert shorten("数学", 4) == "数学"
    assert shorten("数学", 3) == "…学"
