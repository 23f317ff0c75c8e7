"""Say what this machine has: Python, engines, hardware."""

import argparse
import json
import platform
import sys

from grpoctl import __version__
from grpoctl.engines.base import ENGINES
from grpoctl.machine import read_machine
from grpoctl.packages import installed_version, missing_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    machine = read_machine()
    engines = {
        name: {
            "title": needs.title,
            "ready": sys.version_info >= needs.python and None not in map(installed_version, needs.packages),
            "packages": {package: installed_version(package) for package in needs.packages},
            "python": ".".join(map(str, needs.python)),
        }
        for name, needs in ENGINES.items()
    }
    if args.json:
        print(
            json.dumps(
                {
                    "grpoctl": __version__,
                    "python": platform.python_version(),
                    "machine": machine.as_json(),
                    "engines": engines,
                }
            )
        )
        return 0
    memory = f"{machine.memory_gib:g} GiB memory" if machine.memory_gib else "memory unknown"
    disk = f"{machine.disk_free_gib:g} GiB disk free" if machine.disk_free_gib is not None else "disk unknown"
    devices = ", ".join(machine.gpus) or (f"{machine.tpus} TPUs" if machine.tpus else "no GPU or TPU")
    print(f"grpoctl {__version__}, Python {platform.python_version()}, {machine.system}")
    print(f"{machine.cpu_count} cores, {memory}, {disk}, {devices}")
    for name, needs in ENGINES.items():
        state = "installed" if engines[name]["ready"] else _lack(name, needs.python)
        versions = ", ".join(
            f"{package} {version}" for package in needs.packages if (version := installed_version(package))
        )
        print(f"\n{name:<8} {state}: {needs.title}\n         {versions or 'nothing of it is here'}")
    return 0


def _lack(name: str, python: tuple[int, int]) -> str:
    if sys.version_info < python:
        return f"needs Python {python[0]}.{python[1]}"
    return f"lacks {', '.join(missing_packages(ENGINES[name].packages))}"
