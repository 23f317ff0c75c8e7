"""A YAML file and key=value overrides -> a Recipe, or every error at once, each with its file and line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from grpoctl import shipped
from grpoctl.errors import Finding, RecipeError, WithFindings, nearest, shown
from grpoctl.recipe import yaml_text
from grpoctl.recipe.environment import placed_by_environment
from grpoctl.recipe.llamafactory import ALWAYS_DECIDED, INSTEAD_VALUES, REFUSED
from grpoctl.recipe.other_names import OTHER_NAMES
from grpoctl.recipe.rules import RULES
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.trust import KEY as TRUST
from grpoctl.recipe.trust import settle_trust
from grpoctl.recipe.validate import unknown, validate
from grpoctl.recipe.yaml_text import KeyPath, YamlText, dotted

COMMAND_LINE = "command line"
_INDEX = re.compile(r"[0-9]{1,4}")


@dataclass
class RecipeSource:
    """Where each value of a recipe was written."""

    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    overridden: set[KeyPath] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)

    def at(self, path: KeyPath) -> tuple[str, int | None]:
        """File and line of a key, or of the nearest key around it; no line where the recipe has none."""
        if any(path[:end] in self.overridden for end in range(1, len(path) + 1)):
            return COMMAND_LINE, None
        if path and path[0] in self.variables:
            return self.variables[str(path[0])], None
        for end in range(len(path), 0, -1):
            here = path[:end]
            if here in self.lines:
                return self.file, self.lines[here]
            if any(here == overridden[:end] for overridden in self.overridden):
                return COMMAND_LINE, None  # a mapping that only the command line has
        return self.file, None

    def finding(self, path: KeyPath, problem: str, fix: str, *, warning: bool = False) -> Finding:
        """A finding about a key, at its place."""
        file, line = self.at(path)
        level: Literal["error", "warning"] = "warning" if warning else "error"
        return Finding(problem, fix, key=dotted(path), file=file, line=line, level=level)


@dataclass
class RecipeReading(WithFindings):
    """What came of reading a recipe. `recipe` holds every key that is right; it is None where nothing was readable."""

    source: RecipeSource
    recipe: Recipe | None = None
    findings: list[Finding] = field(default_factory=list)


def load_recipe(file: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe with its derived values, or RecipeError with all that is wrong."""
    reading = read_recipe(file, overrides)
    if reading.recipe is None or reading.errors:
        raise RecipeError(reading.errors)
    return reading.recipe.resolved()


def read_recipe(file: str, overrides: Sequence[str] = ()) -> RecipeReading:
    """Read a recipe file, or the built-in recipe of that name."""
    text = yaml_text.read_text(find_recipe(file), file)
    if isinstance(text, Finding):
        if text.problem == "is not there":
            text = Finding("is not there", _where_else(file), file=file)
        return RecipeReading(RecipeSource(file), findings=[text])
    return read_recipe_text(text, file, overrides)


def find_recipe(file: str) -> Path:
    """The file itself, or the built-in recipe that `recipes/quickstart.yaml` or `quickstart` names anywhere."""
    path = Path(file)
    try:
        name = path.name.removesuffix(".yaml")
        if not path.exists() and path.parent.name in ("", "recipes") and name in shipped.recipe_names():
            return shipped.RECIPES / f"{name}.yaml"
    except (OSError, ValueError):  # a name too long or with a NUL: read_text says so
        pass
    return path


def _where_else(file: str) -> str:
    close = nearest(Path(file).stem, shipped.recipe_names())
    return (
        f"did you mean {close}.yaml?" if close else "check the name; `grpoctl init --list` lists the built-in recipes"
    )


def read_resolved(
    path: Path, overrides: Sequence[str] = (), *, run: str | None = None, placed_anew: bool = False
) -> RecipeReading:
    """The recipe of an earlier run, every value as it was used. It was checked then, so its keys may all stand.

    What is wrong with it is told under the run's name, where one is given: nobody wrote the file. `placed_anew` lets
    the environment say on which machines it goes on.
    """
    source = RecipeSource(run or str(path))
    text = yaml_text.read_text(path, str(path))
    parsed = text if isinstance(text, Finding) else yaml_text.parse(text, str(path))
    if isinstance(parsed, Finding) or not isinstance(parsed.value, dict):
        return RecipeReading(source, findings=[Finding("cannot be read", "start the run anew", file=str(path))])
    reading = RecipeReading(source, findings=_override(parsed.value, overrides, source))
    if placed_anew:
        _place(parsed.value, source, given={str(path[0]) for path in source.overridden})
    # Nobody wrote this recipe, and the words of the command are all that there is of the user's.
    reading.findings += settle_trust(parsed.value, written=True, source=source)
    reading.findings += _take_out_unknown_keys(parsed.value, source)
    reading.recipe, invalid = _validated(parsed.value, source)
    reading.findings += invalid
    return reading


def read_recipe_text(text: str, file: str, overrides: Sequence[str] = ()) -> RecipeReading:
    """The same from a text, as an editor holds it."""
    parsed = yaml_text.parse(text, file)
    source = RecipeSource(file, parsed.lines)
    reading = RecipeReading(source, findings=list(parsed.findings))
    values = parsed.value
    if values is None and not parsed.findings:
        reading.findings.append(Finding("is empty", "start from one that works: grpoctl init", file=file))
    elif not isinstance(values, dict) and not parsed.findings:
        reading.findings.append(Finding("holds no keys", "write key: value lines", file=file, line=1))
    if not isinstance(values, dict) or any(not finding.key for finding in parsed.findings):
        return reading  # keys may have been lost anywhere, so what was read is not the recipe

    # Of a model that is named on the command line alone there is no recipe that could say it as well.
    written = True if file == COMMAND_LINE else values.get(TRUST)
    reading.findings += _override(values, overrides, source)
    _place(values, source, given=set(values))
    reading.findings += settle_trust(values, written, source)
    wrong = _take_out_unknown_keys(values, source)
    recipe, invalid = _validated(values, source)
    reading.findings += wrong + [_with_advice(finding, values) for finding in invalid]
    bad_keys = {finding.key.partition(".")[0] for finding in reading.findings}
    bad_keys |= {OTHER_NAMES[name].split()[1].strip(",:") for name in bad_keys & OTHER_NAMES.keys()}
    reading.findings += _clashes(recipe, source, bad_keys)
    reading.recipe = recipe
    reading.findings.sort(key=lambda finding: (finding.line is None, finding.line or 0))
    return reading


def _validated(values: dict[str, Any], source: RecipeSource) -> tuple[Recipe, list[Finding]]:
    """The recipe and what is wrong in it. Wrong hidden_sizes still mean a network, so that nothing is asked of it that
    a language model needs."""
    recipe, invalid = validate(Recipe, values, source.at)
    if values.get("hidden_sizes") is not None and recipe.hidden_sizes is None:
        recipe = recipe.model_copy(update={"hidden_sizes": (128,)})
    return recipe, invalid


def _override(values: dict[str, Any], overrides: Sequence[str], source: RecipeSource) -> list[Finding]:
    """Set each `key=value` in values; dotted keys reach into mappings and lists."""
    findings: list[Finding] = []
    for override in overrides:
        name, equals, text = override.partition("=")
        path: KeyPath = tuple(int(part) if _INDEX.fullmatch(part) else part for part in name.strip().split("."))
        if not equals or "" in path or len(path) > yaml_text.MAX_DEPTH:
            findings.append(Finding(f"is {shown(override)}", "write overrides as key=value", file=COMMAND_LINE))
            continue
        # Only what opens like YAML is read as YAML: a prompt with a colon or a # in it is just text.
        opens = text.lstrip()[:1] in ("[", "{", '"', "'")
        parsed = yaml_text.parse(text, COMMAND_LINE) if opens else YamlText(yaml_text.scalar(text.strip()))
        if parsed.findings:
            first = parsed.findings[0]
            findings.append(Finding(first.problem, first.fix, key=dotted(path), file=COMMAND_LINE))
            continue
        inner: Any = values
        for part, following in pairwise(path):
            inner = _step_into(inner, part, following)
        if isinstance(inner, dict):
            inner[str(path[-1])] = parsed.value
        elif isinstance(inner, list) and isinstance(path[-1], int) and path[-1] < len(inner):
            inner[path[-1]] = parsed.value
        else:
            findings.append(
                Finding(
                    "reaches into a value that has no such part",
                    f"set {path[0]} as a whole",
                    key=dotted(path),
                    file=COMMAND_LINE,
                )
            )
            continue
        source.overridden.add(path)
    return findings


def _place(values: dict[str, Any], source: RecipeSource, given: set[str]) -> None:
    """Take from the environment on which machines it runs, and with how many processes."""
    if values.get("engine") not in (None, "auto", "trl") or values.get("hidden_sizes") is not None:
        return
    for variable, name, value in placed_by_environment(given):
        values[name] = value if name == "master_addr" else yaml_text.scalar(value)
        source.variables[name] = variable


def _step_into(inner: Any, part: str | int, following: str | int) -> Any:
    if isinstance(inner, dict):
        held = inner.get(str(part))
        if held is None and isinstance(following, str):
            held = inner[str(part)] = {}
        return held
    if isinstance(inner, list) and isinstance(part, int) and part < len(inner):
        return inner[part]
    return None


def _take_out_unknown_keys(values: dict[str, Any], source: RecipeSource) -> list[Finding]:
    """Remove keys that no recipe has, saying for each what to use instead."""
    findings = []
    for name in [name for name in values if name not in Recipe.model_fields]:
        value = values.pop(name)
        if name in REFUSED:
            problem, fix = REFUSED[name]
        elif name in OTHER_NAMES:
            problem, fix = "is not the name here", OTHER_NAMES[name]
        elif isinstance(value, dict):
            problem, fix = "is a section, and recipes are flat", "write its keys at the margin"
        else:
            problem, fix = unknown(name, Recipe.model_fields)
        if name in REFUSED and value in (False, None, "no", "off") and problem != ALWAYS_DECIDED:
            findings.append(source.finding((name,), "is off, as it always is here", "take it out", warning=True))
        else:
            findings.append(source.finding((name,), problem, fix))
    return findings


def _with_advice(finding: Finding, values: dict[str, Any]) -> Finding:
    """For a value that another program takes, say what to use instead of listing all choices."""
    given = values.get(finding.key)
    advice = INSTEAD_VALUES.get((finding.key, given)) if isinstance(given, str) else None
    if finding.key == "warmup_steps" and isinstance(given, float) and 0 < given < 1:
        advice = f"use warmup_ratio: {given:g}"
    if advice is None:
        return finding
    return Finding(finding.problem, advice, key=finding.key, file=finding.file, line=finding.line)


def _clashes(recipe: Recipe, source: RecipeSource, bad_keys: set[str]) -> list[Finding]:
    return [
        source.finding((clash.key,), clash.problem, clash.fix, warning=clash.warning)
        for rule in RULES
        for clash in rule(recipe)
        if bad_keys.isdisjoint((clash.key, *clash.with_keys))
    ]
