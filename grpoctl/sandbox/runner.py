"""What does the separate process do? It locks itself in, says so, and then runs the program that it was sent.

process.py starts it as a script. What it is sent comes on standard input, ahead of the program's own. A step that ends
well is told by a secret of its own, so printing and leaving early tell nothing.
"""

from __future__ import annotations  # typing would cost 8 ms of a start of 15

import builtins
import gc
import marshal
import os
import sys
from _collections_abc import Iterator  # which os loads; collections would cost 1.5 ms

# What process.py hears first: locked in, the same without Landlock, or not locked in and why.
LOCKED, READABLE, REFUSED = b"+", b"-", b"!"


def steps() -> zip[tuple[object, ...]]:
    """The program and its tests as calls that are still to be made, each followed by the call that tells of it.

    All of them are made by C code from one iterator, which no frame names and gc does not list: the program runs in
    this process, and a look around must not find the secrets. verdict.py says what a determined one can still do.
    """
    size = int.from_bytes(_read(8), "little")
    how, limits, paths, filter_code, source, tests, secrets = marshal.loads(_read(size))
    telling = 1
    if how != "input":
        telling = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
    code = [compile(test, f"<test {number}>", "exec") for number, test in enumerate(tests, 1)]
    namespace = _new_main("__main__" if how == "input" else "solution")
    try:
        said = _lock_in(limits, paths, filter_code)
    except OSError as error:
        said = REFUSED + str(error).encode()
    os.write(telling, said)
    if said.startswith(REFUSED):
        sys.exit(1)
    if how == "compile":
        done: Iterator[object] = map(compile, [source], ["<solution>"], ["exec"])
    else:
        done = map(exec, [compile(source, "<solution>", "exec"), *code], [namespace] * (1 + len(code)))
    told = [map(os.write, [telling] * len(secrets), secrets)] if secrets else []
    made = zip(done, *told, strict=True)
    gc.freeze()
    del gc.unfreeze
    return made


def _read(size: int) -> bytes:
    """So many bytes of standard input and not one more: the rest is the program's."""
    parts = []
    while size and (part := os.read(0, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _new_main(name: str) -> dict[str, object]:
    """The names of an empty module that stands where the program's own would."""
    module = type(sys)(name)
    sys.modules[name] = sys.modules["__main__"] = module
    sys.argv = ["solution.py"]
    for word in ("exit", "quit"):  # site.py, which is left out, would set these
        setattr(builtins, word, sys.exit)
    return module.__dict__


def _lock_in(limits: list[tuple[int, int]], paths: list[str], filter_code: bytes) -> bytes:
    """Gives up, for good, all that a program does not need; OSError where the kernel cannot."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *values: object) -> int:
        longs = [ctypes.c_long(value) if isinstance(value, int) else value for value in values]
        result: int = getattr(libc, name)(*longs)
        if result < 0:
            raise OSError(f"{name}({values[0]!s}): {os.strerror(ctypes.get_errno())}")
        return result

    def words(*values: int) -> bytes:
        return b"".join(value.to_bytes(8, "little") for value in values)

    call("prctl", 1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL: it ends when the thread that started it does
    call("prctl", 4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: a crash starts no crash reporter
    call("prctl", 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, which the two locks below ask for
    said = LOCKED
    try:
        # Handles all 13 rights of the first version of Landlock; syscalls 444 to 446 have one number everywhere.
        rules = call("syscall", 444, words((1 << 13) - 1), 8, 0)
    except OSError:
        said = READABLE
    else:
        for path in paths:
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue  # not every machine has every one of them
            rights = 0b1100 if os.path.isdir(path) else 0b100  # noqa: PTH112, pathlib would cost 10 ms
            call("syscall", 445, rules, 1, words(rights) + place.to_bytes(4, "little"), 0)
            os.close(place)
        call("syscall", 446, rules, 0)
        os.close(rules)
    for limit, value in limits:
        call("setrlimit", limit, words(value, value))
    held = ctypes.create_string_buffer(filter_code, len(filter_code))
    call("prctl", 22, 2, words(len(filter_code) // 8, ctypes.addressof(held)), 0, 0)  # PR_SET_SECCOMP, a filter
    # With ctypes a program could read the secrets out of memory.
    sys.modules.update({"ctypes": None, "_ctypes": None})  # type: ignore[dict-item]
    return said


if __name__ == "__main__":
    all(steps())
