"""torchrun, without its table: which of the processes that it started on this machine failed, and how?

`python -m grpoctl.engines.trl.agent RUN` takes torchrun's arguments behind the run folder. A process that failed has
said why by itself; one that was killed cannot, and is told of here.
"""

import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpoctl.run import launched, ranks
from grpoctl.run.directory import RunDirectory
from grpoctl.run.process import descendants
from grpoctl.run.ranks import Failure

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

_FIRST_WORD_S = 0.5


def main(folder: str, words: list[str]) -> int:
    """Start the processes and wait for them; 1 where one failed."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    torchrun: Any = importlib.import_module("torch.distributed.run")  # it has no types
    logging.disable()  # what torchrun tells of is told in one line
    directory = RunDirectory(Path(folder))
    _tell_as_it_happens(directory)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A cluster sends them to every process; the command that started this one takes them, and saves first.
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    try:
        torchrun.run(torchrun.parse_args(["--signals_to_handle", "SIGQUIT", *words]))
    except ChildFailedError:
        return 1
    except Exception as error:
        ranks.tell(directory, Failure(None, f"the processes cannot be started: {_first_line(error)}."))
        return 1
    return 0


def _end_with_the_command() -> None:
    """Where the command is killed while the machines wait for each other; processes that train end by themselves."""
    while not launched.launcher_is_gone() or descendants(os.getpid()):
        time.sleep(1)
    os._exit(1)


def _tell_as_it_happens(run: RunDirectory) -> None:
    """torchrun tells once all are gone, for which it waits half a minute."""
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.launcher import api

    class Telling(LocalElasticAgent):
        def _monitor_workers(self, worker_group: Any) -> Any:
            result = super()._monitor_workers(worker_group)
            if result.is_failed():
                tell_of_the_silent(run, result.failures)
            return result

    api.LocalElasticAgent = Telling  # type: ignore[attr-defined]


def tell_of_the_silent(run: RunDirectory, failures: "Mapping[int, ProcessFailure]") -> None:
    """Those that said why they ended, or whose reward's witness does, have the first word."""
    time.sleep(_FIRST_WORD_S)
    for rank, failure in failures.items():
        if failure.exitcode >= 0:
            said = f"ended with code {failure.exitcode}; train.log may tell why"
        else:
            said = f"was ended by {signal.Signals(-failure.exitcode).name}"
            said += ", as the system does where memory runs out" if failure.exitcode == -signal.SIGKILL else ""
        ranks.tell(run, Failure(rank, f"{said}."))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300].rstrip(".") or type(error).__name__


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
