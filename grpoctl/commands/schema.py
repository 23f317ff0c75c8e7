"""Print the JSON schema of recipes, for editors."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    from grpoctl.recipe.docs import json_schema_text

    print(json_schema_text(), end="")
    return 0
