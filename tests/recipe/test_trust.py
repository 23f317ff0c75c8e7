"""A recipe, and what it names, runs no code by itself."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl.engines.trl.translate import model_arguments, torchrun_command
from grpoctl.preflight import Preflight, check
from grpoctl.recipe.load import read_recipe, read_recipe_text, read_resolved
from grpoctl.run.directory import RunDirectory
from grpoctl.run.files import write_json

ON = "trust_remote_code=true"


def trusted(written: str, *overrides: str) -> tuple[bool, list[str]]:
    reading = read_recipe_text(f"model_name_or_path: tiny\n{written}", "r.yaml", overrides)
    assert reading.recipe is not None
    said = [str(finding) for finding in reading.findings if finding.key == "trust_remote_code"]
    return reading.recipe.trust_remote_code, said


def test_code_of_a_model_runs_only_where_recipe_and_command_line_both_say_so() -> None:
    assert trusted(
        "",
    ) == (False, [])
    assert trusted("trust_remote_code: true\n", ON) == (True, [])
    assert trusted("trust_remote_code: true\n", "trust_remote_code=false") == (False, [])
    assert trusted("trust_remote_code: true\n") == (
        False,
        ["r.yaml:2: trust_remote_code: is true in the recipe alone, so it stays off; add trust_remote_code=true to the "
         "command, if you have read the model's code and it needs that."],
    )  # fmt: skip
    assert trusted("", ON) == (
        False,
        ["command line: trust_remote_code: is true on the command line alone, so it stays off; write "
         "trust_remote_code: true into the recipe too."],
    )  # fmt: skip


def test_a_runs_folder_cannot_say_it_for_the_one_who_goes_on(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write_json(run.resolved, {"model_name_or_path": "tiny", "trust_remote_code": True})
    for overrides, on in ((), False), ((ON,), True):
        recipe = read_resolved(run.resolved, overrides).recipe
        assert recipe is not None and recipe.trust_remote_code is on
        several = recipe.model_copy(update={"nproc_per_node": 2})
        assert (torchrun_command(several, run) or [])[-1] == (ON if on else str(run.path))


def test_weights_are_read_as_safetensors_alone() -> None:
    recipe = read_recipe_text("model_name_or_path: tiny\n", "r.yaml").recipe
    assert recipe is not None
    assert model_arguments(recipe)["use_safetensors"] is True


class Poison:
    """Makes a file when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.made), "w")


@pytest.mark.parametrize(
    "line",
    [
        "seed: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{made}]]",
        "seed: !!python/object/new:os.system ['touch {made}']",
        "reward_funcs: !!python/name:os.system",
        "mesh: !!python/module:antigravity",
    ],
)
def test_yaml_makes_no_objects(line: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    file = tmp_path / "r.yaml"
    file.write_text(line.format(made=made))
    for overrides in ([], [line.format(made=made).replace(": ", "=", 1)]):
        assert read_recipe(str(file), overrides).errors
    assert not made.exists()


@pytest.mark.parametrize("name", ["rows.pkl", "rows.pickle", "rows.pt", "rows.npy", "rows.py", "folder"])
def test_data_that_is_code_is_refused(
    name: str, tmp_path: Path, checked: Callable[..., Preflight], recipe_file: Callable[..., Path]
) -> None:
    made, given = tmp_path / "made", tmp_path / name
    if name == "folder":  # a data set as a loading script
        given.mkdir()
        (given / "folder.py").write_text(f"open({str(made)!r}, 'w')")
    elif name == "rows.py":
        given.write_text(f"open({str(made)!r}, 'w')")
    else:
        given.write_bytes(pickle.dumps(Poison(made)))
    found = check(read_recipe(str(recipe_file()), [f"dataset={given}"]))
    assert [finding for finding in found.errors if str(given) in str(finding)]
    assert not made.exists()


def test_a_chat_template_reaches_nothing_of_python(tmp_path: Path, recipe_file: Callable[..., Path]) -> None:
    import shutil

    from grpoctl import shipped

    model = shutil.copytree(shipped.MODELS["tiny"], tmp_path / "model")
    for attack in (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os }}",
    ):
        (model / "chat_template.jinja").write_text(attack)
        found = check(read_recipe(str(recipe_file()), [f"model_name_or_path={model}"]))
        assert any("unsafe" in str(finding) for finding in found.errors), found.findings
