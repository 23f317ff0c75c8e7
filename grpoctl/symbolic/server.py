"""What judges pairs in a process of its own, so that a hostile answer costs a worker and no more?

    python -m grpoctl.symbolic.server grpoctl.symbolic.judge

The server imports the judge once and then only forks: its worker reads batches from standard input and answers on
standard output, both of which it inherits. A pair that takes too long ends the worker by its own alarm, which the
kernel delivers even where Python would not get round to it; the server says so and forks the next. It ends when its
input does. `pipe` is the other side.

A batch is a line of JSON, `[seconds for each, [gold, …], [[number of the gold, said], …]]`. The answers are bytes:
"""

import gc
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

READY, BROKEN = b"r", b"!"  # the server has its judge, or never will: the reason follows
BEGUN = b"b"  # a worker has a batch
READING_GOLD, READ_GOLD = b"g", b"G"  # what happens between them is the gold answer's doing
RIGHT, WRONG, UNREADABLE = b"1", b"0", b"?"  # unreadable: the gold answer
DIED, RENEWED = b"x", b"n"  # the worker is a new one: the pair in hand ended it, or nobody is to blame

TIME_LIMIT_S = 0.7  # the most that a batch gives to one
_MEMORY_MIB = 150  # above what the imports take
_RENEW_AT_MIB = 75  # so that no pair pays for the caches of those before it

_EXIT_RENEW, _EXIT_CONFUSED = 3, 4


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end this process sees
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    try:
        judge = importlib.import_module(sys.argv[1])
        judge.prepare()
    except Exception as error:
        reason = str(error) if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
        os.write(answers, BROKEN + reason.encode()[:1000])
        return
    gc.collect()
    gc.freeze()  # or the first collection would copy every page that a worker shares with this process
    os.write(answers, READY)
    _replace_workers(judge, answers)


def _replace_workers(judge: Any, answers: int) -> None:
    while True:
        worker = os.fork()
        if worker == 0:
            _work_and_exit(judge, answers)
        code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        if code in (0, _EXIT_CONFUSED):
            return
        try:
            os.write(answers, RENEWED if code == _EXIT_RENEW else DIED)
        except BrokenPipeError:
            return


def _work_and_exit(judge: Any, answers: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        code = _work(judge, answers)
    except BrokenPipeError:
        code = 0  # the parent is gone
    finally:
        os._exit(code)


def _work(judge: Any, answers: int) -> int:
    start = _size_mib()
    if start:
        import resource  # not everywhere, and all rewards are imported everywhere

        limit = int(start + _MEMORY_MIB) << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # Unbuffered, since what one worker has read ahead the next one lacks.
    with open(0, "rb", closefd=False) as batches:
        for line in batches:
            os.write(answers, BEGUN)
            try:
                limit_s, golds, pairs = json.loads(line)
            except ValueError:
                return _EXIT_CONFUSED  # the rest of a line that an earlier worker was killed over
            known: dict[int, Any] = {}
            for number, said in pairs:
                if number not in known:
                    os.write(answers, READING_GOLD)
                    known[number] = _timed(limit_s, judge.read, golds[number])
                    os.write(answers, READ_GOLD)
                os.write(answers, _verdict(judge, known[number], said, limit_s))
                if start and _size_mib() - start > _RENEW_AT_MIB:
                    return _EXIT_RENEW
    return 0


def _verdict(judge: Any, gold: Any, said: Any, limit_s: float) -> bytes:
    if gold is None:
        return UNREADABLE
    is_right = _timed(limit_s, lambda: (read := judge.read(said)) is not None and judge.same(gold, read))
    return RIGHT if is_right else WRONG


def _timed(limit_s: float, call: Any, *arguments: Any) -> Any:
    """What the call returns; past the time limit the worker is no more."""
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        return call(*arguments)
    except MemoryError:
        os._exit(1)
    except Exception:  # sympy raises what it likes on expressions without a value
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _size_mib() -> float:
    """The address space of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
