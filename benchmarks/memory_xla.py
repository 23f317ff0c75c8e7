"""How near does `grpoctl estimate` come to the memory that XLA plans for a loss of engine tunix? Nothing is run.

    python benchmarks/memory_xla.py

Compared is what XLA plans beside arguments and results (temp_size_in_bytes) with the activations and logits of the
estimate. On a CPU XLA computes bfloat16 in float32, so its plans for a TPU are smaller.
"""

import json
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from memory import Case, config_of, recipe_of, write_model

from grpoctl.engines.tunix import models
from grpoctl.engines.tunix.loss import GroupConfig, GroupExample, group_loss
from grpoctl.engines.tunix.translate import loss_settings, model_settings
from grpoctl.estimate.activations import activations_of
from grpoctl.estimate.layout import layout_of
from grpoctl.estimate.shapes import shape_from
from grpoctl.recipe.load import read_recipe_text
from grpoctl.recipe.schema import Recipe
from grpoctl.table import table

_PLAIN = Case("everything kept", 256, 768, 4, 4, 2, 64, 8192, "full", 64, 128, generations=4)
CASES = (
    _PLAIN,
    replace(_PLAIN, name="layers computed again", checkpointing=True),
    replace(
        _PLAIN,
        name="large vocabulary, bfloat16",
        vocabulary=32768,
        prompt=32,
        completion=64,
        bf16=True,
        checkpointing=True,
    ),
    replace(_PLAIN, name="eight layers, long, bfloat16", layers=8, prompt=256, completion=256, bf16=True),
)


def planned_bytes(recipe: Recipe, folder: Path) -> int:
    rows, prompt, completion = recipe.num_generations, recipe.max_prompt_length, recipe.max_completion_length
    mesh = models.make_mesh(1, 1)
    with mesh:
        model = models.load_model(folder, mesh, **model_settings(recipe))
        config = GroupConfig(**loss_settings(recipe))
        prompts, completions = (jnp.ones((rows, width or 1), jnp.int32) for width in (prompt, completion))
        example = GroupExample(
            prompt_ids=prompts,
            prompt_mask=prompts > 0,
            completion_ids=completions,
            completion_mask=completions > 0,
            advantages=jnp.ones(rows),
            ref_per_token_logps=None,
            old_per_token_logps=None,
            mean_tokens=jnp.ones(rows),
        )
        graph, state = nnx.split(model)

        def gradient(state: Any, example: Any) -> Any:
            of_loss = nnx.value_and_grad(lambda model: group_loss(model, example, config, -1, -1), has_aux=True)
            return of_loss(nnx.merge(graph, state))

        analysis: Any = jax.jit(gradient).lower(state, example).compile().memory_analysis()
    return int(analysis.temp_size_in_bytes)


def row_of(case: Case) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = json.dumps(recipe_of(case, folder) | {"engine": "tunix"})
        read = read_recipe_text(text, case.name).recipe
        if read is None:
            raise SystemExit(f"{case.name}: its recipe cannot be read")
        recipe, shape = read.resolved(), shape_from(config_of(case), case.name)
        write_model(case, folder / "model")
        planned = planned_bytes(recipe, folder / "model")
    found = activations_of(shape, layout_of(recipe, shape, on_cpu=True, prompt_tokens=case.prompt))
    reckoned = found.saved + found.head_backward
    parts = f"activations {found.saved / 1e6:.0f}, logits {found.head_backward / 1e6:.0f}"
    return [case.name, f"{planned / 1e6:.0f}", f"{reckoned / 1e6:.0f}", f"{reckoned / planned - 1:+.1%}", parts]


def main() -> None:
    warnings.simplefilter("ignore")
    rows = [row_of(case) for case in CASES]
    print("\n".join(table([["MB", "planned", "estimated", "error", "parts"], *rows], {1, 2, 3})))


if __name__ == "__main__":
    main()
