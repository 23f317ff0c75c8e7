"""Who stops a run hears what becomes of it."""

from pathlib import Path

from fake_run import make_run, step, tell

from grpoctl.run import events as ev
from grpoctl.run.stop_words import StopWords


def test_before_a_step_was_made_no_checkpoint_is_promised_for_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", step(3))
    words = StopWords(run)  # as it goes on: the step before is none of this start
    tell(run, (ev.RUN_RESUMED, {"step": 3}))
    assert words.asked() == "Stopping before the first step, or behind it, with a checkpoint, where it has begun"
    assert "there was nothing to keep yet" in words.ended()
    run.checkpoint(3).mkdir()
    assert "checkpoint-3 stands as it did" in words.ended()


def test_within_the_steps_the_last_word_says_what_is_kept_and_what_is_lost(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    words, again = StopWords(run), f"grpoctl train --resume {run.name}"
    tell(run, step(1), step(2))
    assert words.asked() == "Stopping behind this step, with a checkpoint"
    assert words.ended() == f"ended at once at step 2, before the first checkpoint; start again: {again}"
    run.checkpoint(2).mkdir()
    assert words.ended() == f"ended at once; checkpoint-2 is kept. Go on: {again}"
    tell(run, step(3))
    assert words.ended() == (
        f"ended at once; checkpoint-2 is kept, and what came behind it is lost, to step 3. Go on: {again}"
    )
