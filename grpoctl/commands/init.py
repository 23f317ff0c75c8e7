"""Write a new recipe from a built-in one."""

import argparse
import json
import shutil
from pathlib import Path

from grpoctl import shipped
from grpoctl.errors import Finding, InputError, nearest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="quickstart", metavar="NAME", help="built-in recipe (quickstart)")
    parser.add_argument(
        "--to", type=Path, default=Path(), metavar="PATH", help="folder, or file ending in .yaml (here)"
    )
    parser.add_argument("--list", action="store_true", help="list the built-in recipes")


def run(args: argparse.Namespace) -> int:
    if args.list:
        titles = {name: _title(name) for name in shipped.recipe_names()}
        lines = [f"{name:<28} {title}" for name, title in titles.items()]
        print(json.dumps({"recipes": titles}) if args.json else "\n".join(lines))
        return 0
    recipe = _write(args.name.removesuffix(".yaml"), args.to)
    print(json.dumps({"path": str(recipe)}) if args.json else f"wrote {recipe}\nnext: grpoctl check {recipe}")
    return 0


def _write(name: str, to: Path) -> Path:
    """Copy the recipe, and the schema that its first line names so that editors complete keys."""
    if name not in shipped.recipe_names():
        close = nearest(name, shipped.recipe_names())
        fix = f"did you mean {close}?" if close else "see grpoctl init --list"
        raise InputError(Finding(f"there is no built-in recipe {name[:60]}", fix, file="grpoctl init"))
    target = to if to.suffix == ".yaml" else to / f"{name}.yaml"
    if target.exists():
        raise InputError(Finding("is there already", "move it, or give another folder with --to", file=str(target)))
    text = (shipped.RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The head comment names the command with the recipe's place, which is a new one now.
        target.write_text(text.replace(f"recipes/{name}.yaml", str(target)), encoding="utf-8")
        shutil.copyfile(shipped.SCHEMA, target.parent / shipped.SCHEMA.name)
    except OSError as error:
        raise InputError(
            Finding(f"cannot be written ({error.strerror})", "give another folder with --to", file=str(target))
        ) from None
    return target


def _title(name: str) -> str:
    """The first sentence of a recipe's head comment; its very first line names the schema."""
    lines = (shipped.RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("# ") for line in lines[1:] if line.startswith("# ")), "")
