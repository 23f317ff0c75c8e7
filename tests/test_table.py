"""Rows line up whatever is in them."""

from grpoctl.table import columns_of, table


def test_numbers_end_and_words_begin_in_one_column() -> None:
    assert table([("name", "steps", "x"), ("a", "5", "yes"), ("long name", "1000", "")], right=(1,)) == [
        "name       steps  x",
        "a              5  yes",
        "long name   1000",
    ]


def test_wide_and_combining_characters_count_as_a_terminal_counts_them() -> None:
    # Two ideographs; an e with an accent that takes no column of its own; full-width A.
    assert [columns_of(text) for text in ("数学", "e\u0301", "Ａ", "")] == [4, 1, 2, 0]
