import pytest

from grpoctl.data.mix import mix


@pytest.mark.parametrize(
    ("strategy", "mixed"),
    [("concat", "abcxy"), ("interleave_under", "axby"), ("interleave_over", "axbycx")],
)
def test_data_sets_are_mixed_as_the_recipe_says(strategy: str, mixed: str) -> None:
    assert mix(["abc", "xy"], strategy) == list(mixed)


def test_one_data_set_and_an_empty_one_are_kept_as_they_are() -> None:
    assert mix(["abc"], "interleave_over") == list("abc")
    assert mix(["abc", ""], "interleave_under") == list("abc")
