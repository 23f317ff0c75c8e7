"""Print the JSON schema of recipes, for editors."""

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    from grpoctl.recipe.docs import json_schema

    print(json.dumps(json_schema(), indent=1))
    return 0
