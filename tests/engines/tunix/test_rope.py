"""Queries and keys are turned by the angles that the model's own config.json asks for, as transformers turns them."""

from pathlib import Path
from typing import Any

import pytest
from hf_models import distance, jax_logits, make_torch_model, torch_logits

pytest.importorskip("tunix")
pytest.importorskip("torch")

from grpoctl.engines.tunix.families import rope_of
from grpoctl.engines.tunix.models import load_model, make_mesh
from grpoctl.engines.tunix.rope import inverse_frequencies

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,  # so that some turns are slowed, some kept and some between
}


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 1e4},
        {"rope_type": "default", "rope_theta": 5e5},
        {"rope_type": "linear", "rope_theta": 1e6, "factor": 3.0},
        LLAMA3,
        LLAMA3 | {"original_max_position_embeddings": 8192},
    ],
)
def test_frequencies_are_those_of_transformers(rope: dict[str, Any]) -> None:
    model = make_torch_model("llama", head_dim=64, rope_parameters=rope)
    theirs = model.model.rotary_emb.inv_freq.tolist()
    assert inverse_frequencies(rope_of({"rope_parameters": rope}), 64) == pytest.approx(theirs, rel=3e-7)


@pytest.mark.parametrize(
    ("family", "rope"),
    [
        *(("qwen3", {"rope_theta": theta, "rope_type": "default"}) for theta in (1e4, 5e5, 1e6)),
        ("qwen3", {"rope_theta": 1e4, "rope_type": "linear", "factor": 2.0}),
        ("qwen2", {"rope_theta": 5e5, "rope_type": "default"}),
        ("llama", {"rope_theta": 1e4, "rope_type": "default"}),
        *((family, LLAMA3) for family in ("qwen3", "qwen2", "llama")),
    ],
)
def test_logits_agree_whatever_the_theta_and_scaling(family: str, rope: dict[str, Any], tmp_path: Path) -> None:
    model = make_torch_model(family, tmp_path, rope_parameters=rope)
    ours = load_model(tmp_path, make_mesh(1, 1), dtype="float32", param_dtype="float32", remat="none")
    assert distance(jax_logits(ours), torch_logits(model)) < 1e-5


def test_two_models_with_other_thetas_live_side_by_side(tmp_path: Path) -> None:
    pairs = []
    for theta in (1e4, 1e6):
        folder = tmp_path / str(theta)
        model = make_torch_model("qwen3", folder, rope_parameters={"rope_theta": theta, "rope_type": "default"})
        ours = load_model(folder, make_mesh(1, 1), dtype="float32", param_dtype="float32", remat="full")
        pairs.append((ours, torch_logits(model)))
    assert all(distance(jax_logits(ours), theirs) < 1e-5 for ours, theirs in pairs)
    assert distance(pairs[0][1], pairs[1][1]) > 0.01


def test_a_model_that_was_not_loaded_here_turns_as_before(tmp_path: Path) -> None:
    import numpy as np
    from tunix.models.qwen3 import model as qwen3

    positions, inputs = np.arange(6)[None], np.ones((1, 6, 2, 8), np.float32)
    before = qwen3.apply_rope(inputs, positions, 8)
    make_torch_model("qwen3", tmp_path)
    load_model(tmp_path, make_mesh(1, 1), dtype="float32", param_dtype="float32", remat="none")
    assert np.array_equal(before, qwen3.apply_rope(inputs, positions, 8))
