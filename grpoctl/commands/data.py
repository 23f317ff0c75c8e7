"""List the data sets, or show how the rows of one become prompts.

  grpoctl data list
  grpoctl data preview gsm8k dataset_dir=path/to/folder
  grpoctl data preview my.jsonl model_name_or_path=Qwen/Qwen3-0.6B system_prompt="Think first."
  grpoctl data preview recipes/quickstart.yaml --rows 5

key=value sets keys of a recipe. Prompts are rendered and counted by the tokenizer of model_name_or_path, which is the
tiny model's where none is named."""

import argparse
import json
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from grpoctl import shipped
from grpoctl.errors import Finding, InputError, printable

if TYPE_CHECKING:
    from grpoctl.preflight import Preflight
    from grpoctl.recipe.load import RecipeReading
    from grpoctl.recipe.schema import Recipe

_BARS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "preview"], metavar="list|preview", help="what to do")
    parser.add_argument("words", nargs="*", default=[], metavar="NAME", help="a data set, path or recipe; key=value")
    parser.add_argument("--rows", type=int, default=3, metavar="N", help="rows to show (3)")


def run(args: argparse.Namespace) -> int:
    names = [word for word in args.words if "=" not in word]
    changes = [word for word in args.words if "=" in word]
    if args.rows < 0:
        raise InputError(Finding(f"is {args.rows}", "use 0 or more", file="--rows"))
    if args.action == "list":
        if names:
            raise InputError(Finding(f"takes no name, and got {names[0]}", "see preview", file="grpoctl data list"))
        _list(_reading(None, changes), args.json)
        return 0
    if len(names) != 1:
        fix = "give one, such as grpoctl data preview tiny_arithmetic"
        raise InputError(Finding("takes a data set, a path or a recipe", fix, file="grpoctl data preview"))
    return _preview(_reading(names[0], changes), args.rows, args.json)


def _reading(name: str | None, changes: list[str]) -> "RecipeReading":
    """The recipe, or one made of the data set's name and of keys."""
    # pydantic and what stands on it take 0.15 s, which --help need not wait for.
    from grpoctl.recipe.load import read_recipe, read_recipe_text

    if name is not None and _is_recipe(name):
        reading = read_recipe(name, changes)
    else:
        names = [name] if name is not None and Path(name).exists() else (name or "").split(",")
        named = [f"dataset={json.dumps([part.strip() for part in names])}"] if name is not None else []
        reading = read_recipe_text(
            "model_name_or_path: tiny\nmax_prompt_length: 10000000", "command line", [*named, *changes]
        )
        # Nothing is trained, so what a whole recipe lacks is no fault.
        given = {change.partition("=")[0].partition(".")[0] for change in [*named, *changes]}
        reading.findings = [finding for finding in reading.errors if finding.key.partition(".")[0] in given]
    if reading.recipe is None or reading.errors:
        raise InputError(reading.errors)
    return reading


def _is_recipe(name: str) -> bool:
    """A recipe's file, or the name of a built-in one."""
    return name.endswith((".yaml", ".yml")) or name in shipped.recipe_names()


# --- list


def _list(reading: "RecipeReading", as_json: bool) -> None:
    from grpoctl.data.dataset_info import all_entries
    from grpoctl.paths import user_path
    from grpoctl.table import table

    assert reading.recipe is not None
    recipe = reading.recipe
    rows = []
    for name, found in all_entries(user_path(recipe.dataset_dir), recipe.cache_dir).items():
        if isinstance(found, list):
            rows.append({"name": name, "source": None, "here": False, "problem": str(found[0])})
            continue
        entry = found.entry
        file = found.folder / entry.file_name if entry.file_name is not None else None
        here = file is not None and file.exists()
        source = f"hub: {entry.hf_hub_url}" if file is None else str(file)
        rows.append(
            {"name": name, "source": source, "here": here, "split": entry.split, "formatting": entry.formatting}
        )
    if as_json:
        print(json.dumps({"rows": rows}))
        return
    cells = [(str(row["name"]), str(row.get("formatting", "-")), _where(row)) for row in rows]
    print("\n".join(table([("name", "rows are", "where"), *((name, kind, printable(at)) for name, kind, at in cells)])))
    print("\na path of a file or folder needs no entry: grpoctl data preview my.jsonl")


def _where(row: dict[str, Any]) -> str:
    source = str(row["source"] or row["problem"])
    return source if row["here"] or source.startswith("hub: ") or row["source"] is None else f"{source} (missing)"


# --- preview


def _preview(reading: "RecipeReading", count: int, as_json: bool) -> int:
    from grpoctl.preflight.data_only import check_data
    from grpoctl.preflight.words import tell_findings

    found = check_data(reading)
    if found.errors or not found.rows:
        raise InputError(found.errors or found.warnings)  # a data set of the hub that is not here is a warning alone
    assert found.recipe is not None
    prompts: list[tuple[str, int | None]] = list(zip(found.prompts, found.prompt_tokens, strict=True))
    if found.tokenizer is None:  # without one the question can be shown all the same
        prompts = [(row.question, None) for row in found.rows]
    shown = [
        {"prompt": prompt, "answer": row.answer, "tokens": tokens}
        for row, (prompt, tokens) in zip(found.rows[:count], prompts, strict=False)
    ]
    if as_json:
        print(json.dumps(_as_json(found, shown)))
        return 0
    tell_findings(found.findings)
    _print(found, found.recipe, shown)
    return 0


def _as_json(found: "Preflight", shown: list[dict[str, Any]]) -> dict[str, Any]:
    lengths = found.prompt_tokens
    return {
        "rows": shown,
        "count": len(found.rows or []),
        "columns": list((found.rows or [])[0].columns),
        "guessed": found.guessed,
        "prompt_tokens": {"min": min(lengths), "median": median(lengths), "max": max(lengths)} if lengths else None,
        "histogram": [{"from": low, "to": high, "rows": rows} for low, high, rows in histogram(lengths)],
        "warnings": [finding.as_json() for finding in found.warnings],
    }


def _print(found: "Preflight", recipe: "Recipe", shown: list[dict[str, Any]]) -> None:
    from grpoctl.counted import counted
    from grpoctl.data.guess import guess_in_words
    from grpoctl.table import table

    rows = found.rows or []
    print(f"{', '.join(recipe.dataset)}: {counted(len(rows), 'row')} of {', '.join(rows[0].columns)}")
    for name, columns in found.guessed.items():
        guesses = guess_in_words(columns)
        print(f"{printable(name)} has no entry; guessed: {guesses}")
    for number, row in enumerate(shown, 1):
        tokens = f", {counted(row['tokens'], 'token')}" if row["tokens"] is not None else ""
        print(f"\nrow {number}{tokens}, gold answer {printable(row['answer'][:60])}")
        print("\n".join(f"  | {printable(line)}" for line in row["prompt"].split("\n")))
    lengths = found.prompt_tokens
    if not lengths:
        return
    model = recipe.tokenizer_name_or_path or recipe.model_name_or_path
    print(f"\ntokens of a prompt, by {model}: {min(lengths)} to {max(lengths)}, median {median(lengths):g}")
    bars = histogram(lengths)
    most = max(rows for _, _, rows in bars)
    cells = [
        (f"  {low}", "to", str(high), str(rows), "█" * max(round(_BARS * rows / most), 1 if rows else 0))
        for low, high, rows in bars
    ]
    print("\n".join(table(cells, right=(0, 2, 3))))


def histogram(lengths: list[int], bars: int = 12) -> list[tuple[int, int, int]]:
    """Ranges of equal, round width over all lengths, both ends included, and how many are in each."""
    if not lengths:
        return []
    low, high = min(lengths), max(lengths)
    width = next(
        step for size in range(9) for step in (10**size, 2 * 10**size, 5 * 10**size) if (high - low) // step < bars
    )
    first = low // width * width
    counts = [0] * ((high - first) // width + 1)
    for length in lengths:
        counts[(length - first) // width] += 1
    return [(first + place * width, first + (place + 1) * width - 1, count) for place, count in enumerate(counts)]
