"""MaxText's models train through the same code as Tunix's: stopped and gone on with, exported, and the same model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("maxtext")
# MaxText's modules and what they stand on are full of things that are to go in later versions.
pytestmark = [pytest.mark.filterwarnings("ignore")]

import numpy as np
from engines.runs import events, resumed_from, same

from grpoctl import shipped
from grpoctl.engines.tunix import maxtext, models
from grpoctl.engines.tunix.export import export
from grpoctl.engines.tunix.load import load
from grpoctl.engines.tunix.maxtext_arguments import maxtext_arguments, model_of, sizes_of
from grpoctl.recipe.load import read_resolved
from grpoctl.run import events as ev
from grpoctl.run.directory import RunDirectory

TINY = shipped.MODELS["tiny"]
Train = Callable[..., RunDirectory]


def scores(model: Any) -> Any:
    ids = np.random.default_rng(0).integers(3, 400, (2, 12))
    mask = np.broadcast_to(np.tril(np.ones((12, 12), bool)), (2, 12, 12))
    return np.asarray(model(ids, np.tile(np.arange(12), (2, 1)), None, mask)[0])


@pytest.mark.parametrize("how", [("finetuning_type=full", "learning_rate=2e-4", "pref_beta=0.04"), ()])
def test_a_run_is_gone_on_with_and_exported(how: tuple[str, ...], train: Train, tmp_path: Path) -> None:
    always = ("save_steps=2", "lr_scheduler_type=constant", *how)
    straight = train("max_steps=4", *always, name="straight")
    stopped = train("max_steps=2", *always, name="stopped")
    train("max_steps=4", resume=stopped)
    assert resumed_from(stopped) == [2]
    assert same(straight, stopped)
    assert [step["step"] for step in events(straight, ev.STEP)] == [1, 2, 3, 4]
    recipe = read_resolved(straight.resolved, []).recipe
    assert recipe is not None
    folder = tmp_path / "exported"
    export(recipe, TINY, straight.path, folder)
    trained, exported = load(recipe, TINY, straight.path).model, models.read_config(folder)
    arguments = maxtext_arguments(
        recipe, model=model_of(exported, None), sizes=sizes_of(exported, tied=True), hardware="cpu"
    )
    ours, theirs, before = (
        scores(trained),
        scores(maxtext.load_model(folder, arguments)[0]),
        scores(maxtext.load_model(TINY, arguments)[0]),
    )
    assert np.abs(ours - theirs).max() < 1e-4
    assert np.abs(ours - before).max() > 1e-3  # training moved it
    # Tunix's own model reads the same folder as the same function.
    tunix = models.load_model(folder, models.make_mesh(1, 1), dtype="float32", param_dtype="float32", remat="none")
    assert np.abs(ours - scores(tunix)).max() < 1e-4
