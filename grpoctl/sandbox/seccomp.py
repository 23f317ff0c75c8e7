"""Which system calls may the sandboxed process make? A BPF filter that allows those and refuses the rest.

Limits (setrlimit) are not enough: root is exempt from some, and none of them keeps a process from signalling another.
The filter sees the numbers that a call is given and no memory, so it can tell how a file is opened, not which one.
"""

import platform
import struct

# System call numbers on x86_64 and aarch64; None where there is no such call, as newer ones took its place.
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # open files
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "lseek": (8, 62),
    "close": (3, 57), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    # names of files, which imports look up
    "fstat": (5, 80), "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getdents64": (217, 61), "getcwd": (79, 17),
    # memory, which RLIMIT_AS bounds
    "munmap": (11, 215), "mprotect": (10, 226), "mremap": (25, 216), "brk": (12, 214),
    # the process's own signals, timers and threads
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "pause": (34, None),
    "restart_syscall": (219, 128), "alarm": (37, None), "setitimer": (38, 103), "getitimer": (36, 102),
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "exit": (60, 93), "exit_group": (231, 94),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    # the time, and who am I
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getpid": (39, 172), "getppid": (110, 173),
    "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getgroups": (115, 158), "umask": (95, 166), "uname": (63, 160), "getrusage": (98, 165), "getrlimit": (97, 163),
    "getrandom": (318, 278),
    # a connected pair of sockets, which asyncio wakes itself with
    "recvfrom": (45, 207), "getsockname": (51, 204), "shutdown": (48, 210),
}  # fmt: skip

_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# What a filter may answer: SECCOMP_RET_ALLOW, _ERRNO with EPERM or ENOSYS, and _KILL_PROCESS.
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000

# BPF: load a word, compare the loaded word with a constant, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

# Two words of the call: its number and the architecture; its six arguments of 64 bits begin at byte 16.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16

Code = list[bytes]


def machine() -> str | None:
    """This machine's architecture, where the filter knows it."""
    name = platform.machine()
    return name if name in _ARCHES and struct.calcsize("P") == 8 else None


def filter_for(pid: int, architecture: str) -> bytes:
    """The filter of the process with this id, as the kernel reads it."""
    column = list(_ARCHES).index(architecture)
    code = [_do(_LOAD, _ARCH), *_unless(_EQUAL, _ARCHES[architecture], _KILL), _do(_LOAD, _NUMBER)]
    # A 32-bit call comes with another architecture and an x32 one with a bit in its number: neither is allowed.
    for numbers in _ALLOWED.values():
        code += _call(numbers[column], [])
    for numbers, checks in _checked_calls(pid).items():
        code += _call(numbers[column], checks)
    return b"".join([*code, _do(_RETURN, _EPERM)])


def _checked_calls(pid: int) -> dict[tuple[int | None, int | None], Code]:
    # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and O_TMPFILE: files are for reading.
    writing = 0x1 | 0x2 | 0x40 | 0x200 | 0x400000
    itself = _one_of(0, pid)
    return {
        (2, None): _no_bit(1, writing),  # open
        (257, 56): _no_bit(2, writing),  # openat
        (62, 129): itself,  # kill
        (234, 131): itself,  # tgkill
        # prlimit64: reads the process's own limits and sets none
        (302, 261): [*_one_of(0, 0, pid), *_zero(2)],
        # fcntl, without F_SETOWN, which has signals sent to others, and F_SETPIPE_SZ: the kernel's memory is not ours
        (72, 25): _one_of(1, 0, 1, 2, 3, 4, 1030),
        # ioctl: TCGETS, FIONREAD, FIONBIO, FIONCLEX and FIOCLEX
        (16, 29): _one_of(1, 0x5401, 0x541B, 0x5421, 0x5450, 0x5451),
        (157, 167): _one_of(0, 15),  # prctl: PR_SET_NAME
        (28, 233): _none_of(2, 100, 101),  # madvise: with these two, root takes memory from the machine
        (9, 222): _mapped(),  # mmap
        # clone: threads, which have CLONE_THREAD (0x10000) and no flag beyond those that a C library sets
        (56, 220): [*_no_bit(0, 0xFFFFFFFF & ~0x7D0F00), *_has_bit(0, 0x10000)],
        (435, 435): [_do(_RETURN, _ENOSYS)],  # clone3 hides its flags in memory; C libraries then use clone
        (53, 199): _one_of(0, 1),  # socketpair: AF_UNIX
        (44, 206): _zero(4),  # sendto: to no address
    }


def _mapped() -> Code:
    """No huge pages, which are the machine's, and no thread's stack below 1 MiB: RLIMIT_AS so bounds the threads."""
    length, flags = _argument(1), _argument(3)
    return [
        *_no_bit(3, 0x40000),  # MAP_HUGETLB
        _do(_LOAD, flags),
        _do(_ANY_BIT, 0x20000, 0, 5),  # MAP_STACK
        _do(_LOAD, length + 4),
        _do(_EQUAL, 0, 0, 3),
        _do(_LOAD, length),
        *_unless(_AT_LEAST, 1 << 20, _EPERM),
    ]


def _call(number: int | None, checks: Code) -> Code:
    """Allows the call with this number where all checks let it through."""
    rest = [*checks, _do(_RETURN, _ALLOW)]
    return [] if number is None else [_do(_EQUAL, number, 0, len(rest)), *rest]


def _one_of(argument: int, *values: int) -> Code:
    jumps = [_do(_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)]
    return [_do(_LOAD, _argument(argument)), *jumps, _do(_RETURN, _EPERM)]


def _no_bit(argument: int, bits: int) -> Code:
    return [_do(_LOAD, _argument(argument)), _do(_ANY_BIT, bits, 0, 1), _do(_RETURN, _EPERM)]


def _has_bit(argument: int, bit: int) -> Code:
    return [_do(_LOAD, _argument(argument)), *_unless(_ANY_BIT, bit, _EPERM)]


def _none_of(argument: int, *values: int) -> Code:
    last = len(values) - 1
    jumps = [_do(_EQUAL, value, last - index, int(index == last)) for index, value in enumerate(values)]
    return [_do(_LOAD, _argument(argument)), *jumps, _do(_RETURN, _EPERM)]


def _zero(argument: int) -> Code:
    """Both halves, as for a pointer."""
    place = _argument(argument)
    halves = [[_do(_LOAD, half), *_unless(_EQUAL, 0, _EPERM)] for half in (place, place + 4)]
    return [*halves[0], *halves[1]]


def _argument(index: int) -> int:
    """Where the low half of an argument is; the high half comes 4 bytes later, as both machines are little-endian."""
    return _ARGUMENTS + 8 * index


def _unless(test: int, value: int, answer: int) -> Code:
    """Answers where the test fails, else goes on."""
    return [_do(test, value, 1, 0), _do(_RETURN, answer)]


def _do(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)
