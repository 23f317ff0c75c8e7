"""Who is behind is waited for, and named."""

from pathlib import Path

from grpoctl.run import ranks
from grpoctl.run.directory import RunDirectory
from grpoctl.run.ranks import Heart
from grpoctl.watchdog import Watchdog


def test_the_one_that_is_behind_is_named_and_at_the_end_ends_the_run(tmp_path: Path) -> None:
    run, now, told = RunDirectory(tmp_path), [0.0], list[str]()
    ranks.clear(run)
    watchdog = Watchdog(run, 3, 60, told.append, lambda: now[0])
    hearts = [Heart(run, rank) for rank in range(3)]
    for heart in hearts:
        heart.enter("drawing completions", 7)
    for heart in (hearts[0], hearts[2]):
        heart.enter("behind its completions", 7)
    assert watchdog.look() is None and told == []
    now[0] = 9.0
    assert watchdog.look() is None and told == []
    for now[0] in (11.0, 30.0):
        assert watchdog.look() is None
    assert told == [
        "rank 1 is drawing completions in step 7, and 2 others wait since 11 s; at 60 s (ddp_timeout) the run is ended."
    ]
    now[0] = 61.0
    assert watchdog.look() == (
        "rank 1 is drawing completions in step 7, and 2 others wait since 61 s (ddp_timeout: 60); the run is ended."
    )


def test_where_nobody_is_ahead_nobody_is_waited_for(tmp_path: Path) -> None:
    run, now, told = RunDirectory(tmp_path), [0.0], list[str]()
    ranks.clear(run)
    watchdog = Watchdog(run, 2, 60, told.append, lambda: now[0])
    for now[0] in (0.0, 1000.0):  # none has begun
        assert watchdog.look() is None
    for rank in range(2):
        Heart(run, rank).enter("loading the model")
    for now[0] in (1001.0, 9000.0):
        assert watchdog.look() is None
    assert told == []


def test_who_catches_up_is_waited_for_anew(tmp_path: Path) -> None:
    run, now, told = RunDirectory(tmp_path), [0.0], list[str]()
    ranks.clear(run)
    watchdog = Watchdog(run, 2, 60, told.append, lambda: now[0])
    slow, fast = Heart(run, 0), Heart(run, 1)
    fast.enter("a")
    for step in range(1, 5):  # 9 s behind each time
        fast.enter("b", step)
        assert watchdog.look() is None
        now[0] += 9.0
        assert watchdog.look() is None
        slow.enter("a", step)
    assert told == []
