"""Of several processes that end, one is the cause."""

from pathlib import Path

from grpoctl.run import ranks
from grpoctl.run.directory import RunDirectory
from grpoctl.run.ranks import Failure


def test_who_lost_another_is_not_the_cause_even_where_it_spoke_first(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    ranks.clear(run)
    ranks.tell(run, Failure(0, "connection closed", lost_others=True))
    assert ranks.cause(ranks.failures(run)) is None
    ranks.tell(run, Failure(1, "was ended by SIGKILL."))
    failed = ranks.failures(run)
    first = ranks.cause(failed)
    assert first is not None and ranks.in_words(first, failed) == "rank 1: was ended by SIGKILL."


def test_the_first_word_of_a_process_stands(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    ranks.clear(run)
    ranks.tell(run, Failure(2, "the reason", exit_code=2))
    ranks.tell(run, Failure(2, "ended with code 1."))
    assert [(failure.error, failure.exit_code) for failure in ranks.failures(run)] == [("the reason", 2)]


def test_what_all_say_is_said_without_a_rank() -> None:
    failed = [Failure(rank, "no such model") for rank in range(2)]
    assert ranks.in_words(failed[0], failed) == "no such model"
    assert ranks.in_words(failed[0], failed[:1]) == "rank 0: no such model"


def test_a_file_that_is_cut_off_is_nobodys_word(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    ranks.clear(run)
    (run.ranks / "0.failed").write_text('{"rank": 0, "err')
    assert ranks.failures(run) == []
    ranks.clear(run)
    assert list(run.ranks.iterdir()) == []
