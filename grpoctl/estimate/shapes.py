"""What shape has a model? Read from its config.json, or from the table of models that recipes often name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grpoctl.errors import Finding, ModelError
from grpoctl.model_files import find_model
from grpoctl.recipe.schema import Recipe
from grpoctl.tokenizer_files import json_of

_NEEDED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
# What a tuned model adds to the name of the one that it was made from.
_ENDINGS = ("-instruct", "-base", "-chat", "-it")
_HEAD_NORMS = ("qwen3", "gemma3", "gemma3_text")
_TIED = ("gemma", "gemma2", "gemma3", "gemma3_text")  # whose config.json may not say so


@dataclass(frozen=True)
class Shape:
    """A decoder's sizes; every count is of single values."""

    name: str
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    biases: bool = False  # of queries, keys and values
    head_norms: bool = False  # of queries and keys

    @property
    def queries(self) -> int:
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """The linear layers of one layer: inputs and outputs."""
        return {
            "q_proj": (self.hidden, self.queries),
            "k_proj": (self.hidden, self.keys),
            "v_proj": (self.hidden, self.keys),
            "o_proj": (self.queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def in_linear(self) -> int:
        """Parameters of all linear layers but the head."""
        return self.layers * sum(first * second for first, second in self.linear.values())

    @property
    def embedding(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        small = 2 * self.hidden + (self.queries + 2 * self.keys) * self.biases + 2 * self.head_dim * self.head_norms
        return self.in_linear + self.layers * small + self.hidden + self.embedding * (1 if self.tied else 2)

    def adapters(self, rank: int, target: tuple[str, ...]) -> int:
        """Parameters of LoRA adapters on these layers; `all` is every linear layer."""
        outside = {"embed_tokens": (self.vocabulary, self.hidden), "lm_head": (self.hidden, self.vocabulary)}
        inside = sum(rank * sum(sizes) for name, sizes in self.linear.items() if "all" in target or name in target)
        return self.layers * inside + sum(rank * sum(sizes) for name, sizes in outside.items() if name in target)


def shape_of(recipe: Recipe) -> Shape:
    """The shape of the recipe's model, or ModelError in one line."""
    name = str(recipe.model_name_or_path)
    folder = find_model(name, recipe.model_revision, recipe.cache_dir)
    config = json_of(folder / "config.json") if folder is not None else {}
    if not config:
        config = named_config(recipe.maxtext_model or "") or named_config(name) or {}
    if not config:
        known = "one of " + ", ".join(sorted(named_models())) if folder is None else "a whole Hugging Face folder"
        where = "has no config.json" if folder is not None else f"is {name}, whose config.json is not here"
        fix = f"fetch it (hf download {name} config.json), or name {known}" if folder is None else f"give {known}"
        raise ModelError(Finding(where, fix, key="model_name_or_path"))
    return shape_from(config, name)


def shape_from(config: Mapping[str, Any], name: str) -> Shape:
    config = {**config, **(config.get("text_config") or {})}  # a model that sees keeps its decoder's sizes inside
    kind = str(config.get("model_type"))
    experts = config.get("num_experts") or config.get("num_local_experts") or config.get("n_routed_experts")
    if experts:
        problem = f"is {name}, a mixture of {experts} experts, which is not counted"
        raise ModelError(Finding(problem, "name a dense model", key="model_name_or_path"))
    missing = [key for key in _NEEDED if not isinstance(config.get(key), int)]
    if missing:
        problem = f"is {name}, whose config.json has no {missing[0]}"
        raise ModelError(Finding(problem, "check that it is a decoder's", key="model_name_or_path"))
    heads = config["num_attention_heads"]
    return Shape(
        name=name,
        vocabulary=config["vocab_size"],
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or (128 if kind == "qwen3" else config["hidden_size"] // heads),
        tied=bool(config.get("tie_word_embeddings", kind in _TIED)),
        biases=kind == "qwen2" or bool(config.get("attention_bias")),
        head_norms=kind in _HEAD_NORMS,
    )


@cache
def named_models() -> dict[str, dict[str, Any]]:
    """The models whose shapes come with grpoctl, by their Hugging Face names."""
    models: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8"))
    return models


def named_config(name: str) -> dict[str, Any] | None:
    """By a Hugging Face name or MaxText's (`qwen3-8b`), of the model itself or one tuned from it."""
    wanted = name.lower().rpartition("/")[2]
    for ending in _ENDINGS:
        wanted = wanted.removesuffix(ending)
    known = {model.lower().rpartition("/")[2]: config for model, config in named_models().items()}
    # MaxText writes llama3.1-8b for Llama-3.1-8B.
    return known.get(wanted) or known.get(wanted.replace("llama3", "llama-3"))
