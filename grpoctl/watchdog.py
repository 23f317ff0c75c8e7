"""Do the processes of a run wait for one of them, and for how long by now?"""

import time
from collections.abc import Callable

from grpoctl.counted import counted
from grpoctl.run import ranks
from grpoctl.run.directory import RunDirectory
from grpoctl.run.ranks import Beat

# The share of the time that processes wait for each other after which a person wants to know.
_WORTH_A_LINE = 1 / 6


class Watchdog:
    """Reads what each process is at; who is behind the others is waited for."""

    def __init__(
        self,
        run: RunDirectory,
        processes: int,
        timeout_s: float,
        warn: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._processes, self._timeout_s, self._warn, self._clock = run, processes, timeout_s, warn, clock
        self._behind: list[Beat] = []
        self._since = clock()
        self._warned = False

    def look(self) -> str | None:
        """What the run has waited for too long, if anything; a line is told earlier."""
        beating = self._beats()
        behind = ranks.behind(beating)
        if behind != self._behind or len(behind) == self._processes:
            self._behind, self._since, self._warned = behind, self._clock(), False
            return None
        waited_s = self._clock() - self._since
        if waited_s >= self._timeout_s:
            return f"{self._in_words(waited_s)} (ddp_timeout: {self._timeout_s:g}); the run is ended."
        if waited_s >= self._timeout_s * _WORTH_A_LINE and not self._warned:
            self._warned = True
            self._warn(f"{self._in_words(waited_s)}; at {self._timeout_s:g} s (ddp_timeout) the run is ended.")
        return None

    def suspects(self) -> str:
        """What each is at that is behind, for a run whose processes lost each other."""
        behind = ranks.behind(self._beats())
        return "; ".join(f"rank {beat.rank} was {_at(beat)}" for beat in behind[:4])

    def _beats(self) -> list[Beat]:
        known = {beat.rank: beat for beat in ranks.beats(self._run)}
        return [known.get(rank, Beat(rank, 0, "starting", 0)) for rank in range(self._processes)]

    def _in_words(self, waited_s: float) -> str:
        first, many = self._behind[0], len(self._behind)
        who = f"rank {first.rank} is" if many == 1 else f"ranks {', '.join(str(b.rank) for b in self._behind[:8])} are"
        others = self._processes - many
        return f"{who} {_at(first)}, and {counted(others, 'other')} wait{'s' * (others == 1)} since {waited_s:.0f} s"


def _at(beat: Beat) -> str:
    return f"{beat.phase} in step {beat.step}" if beat.step else beat.phase
