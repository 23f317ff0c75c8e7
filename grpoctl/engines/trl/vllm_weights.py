"""Does vLLM draw from the weights that are trained? Its log-probabilities of a probe are compared with the model's."""

import logging
import statistics
from collections.abc import Callable
from typing import Any

from grpoctl.engines.trl.vllm import VllmError

_log = logging.getLogger(__name__)

# Mean difference of a token's log-probability that 16 bits make at most; a quantised base is another one in vLLM.
_APART, _APART_QUANTISED = 0.1, 0.5
_PROBE_TOKENS, _PROBES = 16, 4

LogProbs = Callable[[list[list[int]], list[list[int]]], list[list[float]]]


def probe(generation: Any, prompt: list[int]) -> tuple[list[list[int]], list[list[float]]]:
    """Completions of a prompt and their log-probabilities by vLLM, whatever else the recipe cuts off."""
    whole: dict[str, Any] = {"top_k": 0, "top_p": 1.0, "min_p": None, "repetition_penalty": 1.0}
    whole |= {"generation_kwargs": {}, "max_completion_length": min(_PROBE_TOKENS, generation.max_completion_length)}
    before = {name: getattr(generation, name) for name in whole}
    try:
        for name, value in whole.items():
            setattr(generation, name, value)
        _, ids, log_probs, _ = generation.generate([prompt] * _PROBES, None, _PROBES)
    finally:
        for name, value in before.items():
            setattr(generation, name, value)
    return ids, [[float("nan") if token[0] is None else token[0] for token in row] for row in log_probs]


def apart(ours: list[list[float]], theirs: list[list[float]]) -> float:
    """The mean difference of a token's log-probability."""
    return statistics.fmean(
        abs(one - other)
        for row, of_vllm in zip(ours, theirs, strict=True)
        for one, other in zip(row, of_vllm, strict=True)
    )


def verify(
    generation: Any,
    prompt: list[int],
    log_probs: LogProbs,
    stirred: Callable[[Callable[[], bool]], Any] | None,
    *,
    quantised: bool = False,
    agreed: Callable[[float], float] = float,
) -> None:
    """VllmError where vLLM's log-probabilities are not the model's after its weights were sent.

    New adapters change nothing yet, and vLLM has the base from its folder, so weights that never arrive would not be
    seen. `stirred(enough)` moves some for a while, until `enough()`; vLLM then has to follow. `agreed` makes of this
    process's difference the largest of all.
    """
    limit = _APART_QUANTISED if quantised else _APART
    generation.sync_weights()
    ids, theirs = probe(generation, prompt)
    resting = log_probs([prompt] * len(ids), ids)
    _refuse(agreed(apart(resting, theirs)), limit, "as it begins")
    if stirred is not None:

        def enough() -> bool:
            return agreed(apart(log_probs([prompt] * len(ids), ids), resting)) > 5 * limit

        with stirred(enough):
            generation.sync_weights()
            ids_now, theirs = probe(generation, prompt)
            found = apart(log_probs([prompt] * len(ids_now), ids_now), theirs)
        generation.sync_weights()
        _refuse(agreed(found), limit, "after its adapters were moved for a trial")
    _log.info("vLLM draws from the weights that are trained: log-probabilities of a probe agree.")


def _refuse(found: float, limit: float, when: str) -> None:
    if found <= limit:  # which NaN is not
        return
    raise VllmError(
        f"use_vllm: vLLM has other weights than the trainer {when}: a token's log-probability differs by {found:.3g} "
        f"on average ({limit:g} at most); check that both have the same model, and that TRL supports this version of "
        "vLLM, or take use_vllm out."
    )
