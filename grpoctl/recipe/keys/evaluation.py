"""When is the model evaluated, and how does each mode sample?"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from grpoctl.recipe.keys.base import Keys, key


class EvalSampling(Keys):
    """How one evaluation mode samples."""

    temperature: float = key(1.0, ge=0, le=100)
    """Sampling temperature; 0 takes the likeliest token."""

    top_k: int = key(0, ge=0, le=10_000_000)
    """Draw from the k likeliest tokens; 0 draws from all."""

    top_p: float = key(1.0, gt=0, le=1)
    """Draw from the likeliest tokens that make up this share of the probability."""


def _over(defaults: EvalSampling) -> Any:
    """A mode whose missing keys keep that mode's own defaults, not EvalSampling's."""
    own = dict(defaults)
    return BeforeValidator(
        lambda value: {**own, **value} if isinstance(value, dict) else value,
        json_schema_input_type=EvalSampling,
    )


_GREEDY = EvalSampling.model_construct(temperature=1e-4, top_k=1, top_p=1.0)
_STANDARD = EvalSampling.model_construct(temperature=0.7, top_k=50, top_p=0.95)
_LIBERAL = EvalSampling.model_construct(temperature=0.85, top_k=2000, top_p=1.0)


class EvalModes(Keys):
    """The three ways in which `grpoctl eval` samples."""

    greedy: Annotated[EvalSampling, _over(_GREEDY)] = key(_GREEDY)
    """As good as deterministic: the mode for numbers."""

    standard: Annotated[EvalSampling, _over(_STANDARD)] = key(_STANDARD)
    """Balanced sampling."""

    liberal: Annotated[EvalSampling, _over(_LIBERAL)] = key(_LIBERAL)
    """High diversity."""


class EvalKeys(Keys):
    """Evaluation"""

    eval_strategy: Literal["no", "steps", "epoch"] = key("no")
    """When to evaluate besides before the first step and after the last."""

    eval_steps: int | None = key(None, ge=1, le=1_000_000_000)
    """Steps between two evaluations, for eval_strategy: steps."""

    per_device_eval_batch_size: int | None = key(None, ge=1, le=1_000_000, llamafactory=8)
    """Answers a device draws at a time. Left out, as many as are fast and fit."""

    eval_modes: EvalModes = key(EvalModes.model_construct())
    """Sampling of the modes greedy, standard and liberal."""
