"""How does a model on JAX answer prompts outside of training?"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from grpoctl.engines.tunix import hosts
from grpoctl.engines.tunix.devices import settle
from grpoctl.engines.tunix.load import load
from grpoctl.engines.tunix.rollout import Draw, Rollout, step_key
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe
from grpoctl.samples import Completion
from grpoctl.tokenizer import TextOfTokens

# Beyond so many rows a batch gains nothing more on a CPU, and a program of its own for each size costs a compilation.
_MOST_ROWS = 128


class JaxSampler:
    """A model and its tokenizer, asked through the rollout."""

    def __init__(
        self, rollout: Rollout, tokenizer: Any, end_ids: tuple[int, ...], max_tokens: int, mesh: jax.sharding.Mesh
    ) -> None:
        self._rollout, self._tokenizer, self._mesh = rollout, tokenizer, mesh
        self._end_ids, self._max_tokens = end_ids, max_tokens
        self._rows = 0  # of the largest batch so far

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        ids = self._ids(prompts)
        # A last, smaller batch is filled up, so that it runs in the program of those before it.
        self._rows = max(self._rows, len(ids))
        filled = [*ids, *[ids[-1]] * (self._rows - len(ids))]
        with self._mesh:
            drawn = self._rollout.draw(filled, 1, self._how(sampling), step_key(seed, 0))[: len(ids)]
        texts = self._tokenizer.batch_decode(drawn, skip_special_tokens=True)
        return [self._completion(text, row) for text, row in zip(texts, drawn, strict=True)]

    def stream(
        self,
        prompt: str,
        sampling: EvalSampling,
        seed: int,
        on_text: Callable[[str], object],
        *,
        max_tokens: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Completion:
        """The completion that `sample` gives for this prompt alone, its text passed on as it comes.

        It is cut off behind max_tokens where that is less than the recipe's, and where `stopped` says so.
        """
        text = TextOfTokens(self._tokenizer)

        def heed(token: int) -> bool:
            piece = text.add(token) if token not in self._end_ids else ""
            if piece:
                on_text(piece)
            return stopped()

        room = self._max_tokens if max_tokens is None else min(max_tokens, self._max_tokens)
        with self._mesh:
            row = self._rollout.stream(self._ids([prompt])[0], self._how(sampling), step_key(seed, 0), heed, room)
        if rest := text.rest():
            on_text(rest)
        return self._completion(self._tokenizer.decode(row, skip_special_tokens=True), row)

    def rows_at_once(self, prompts: Sequence[str]) -> int:
        return min(_MOST_ROWS, len(prompts))

    def _ids(self, prompts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        return ids

    def _how(self, sampling: EvalSampling) -> Draw:
        return Draw(self._max_tokens, self._end_ids, sampling.temperature, sampling.top_k, sampling.top_p)

    def _completion(self, text: str, row: Sequence[int]) -> Completion:
        return Completion(text, len(row), truncated=not row or row[-1] not in self._end_ids)


class LeadingSampler:
    """The first host's: whatever it is asked, every other host draws beside it."""

    def __init__(self, own: JaxSampler, stop_signal: Callable[[], int | None]) -> None:
        self._own, self._own_signal = own, stop_signal
        self._signal: int | None = None

    def stop_signal(self) -> int | None:
        """That came to any host before the last batch, or to this one."""
        return self._signal or self._own_signal()

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        hosts.agreed(lambda: {"prompts": list(prompts), "sampling": sampling.model_dump(), "seed": seed})
        self._signal = hosts.any_signal(self._own_signal())
        return self._own.sample(prompts, sampling, seed)

    def rows_at_once(self, prompts: Sequence[str]) -> int:
        return self._own.rows_at_once(prompts)

    def lead(self, evaluation: Callable[[], bool]) -> bool:
        """What an evaluation by this sampler comes to; the others are told that it is over."""
        return hosts.agreed(lambda: {"ended": evaluation()})["ended"]


def follow(own: JaxSampler, stop_signal: Callable[[], int | None]) -> bool:
    """On another host: draw what the first one is asked, until it says what its evaluation came to."""
    while "ended" not in (said := hosts.agreed(dict[str, Any])):
        hosts.any_signal(stop_signal())
        own.sample(said["prompts"], EvalSampling(**said["sampling"]), said["seed"])
    return bool(said["ended"])


def open_sampler(recipe: Recipe, base: Path, trained: Path | None) -> JaxSampler:
    """The model of a folder, with what a run trained of it."""
    settle(recipe)
    loaded = load(recipe, base, trained)
    rollout = Rollout(loaded.model, has_cache=loaded.kind.has_cache)
    return JaxSampler(rollout, loaded.tokenizer, loaded.end_ids, recipe.max_completion_length or 0, loaded.mesh)
