"""Print the version of grpoctl."""

import argparse
import json

from grpoctl import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    print(json.dumps({"version": __version__}) if args.json else f"grpoctl {__version__}")
    return 0
