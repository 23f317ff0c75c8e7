"""How are completions drawn from a JAX model? Each prompt is read once, and every draw has a key of its own.

What is drawn follows from the seed, the row and the token's place alone: not from what ran before, and not from how
many other rows there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from grpoctl.engines.tunix import hosts

PAD = -1  # no token has it, so no mask can take a real one for padding

# Prompts are padded to a multiple of so many tokens, and so a few programs serve prompts of every length.
_BUCKET = 32


@dataclass(frozen=True)
class Draw:
    """How to draw: temperature 0 takes the likeliest token, 0 of top_k and 1 of top_p leave all tokens in."""

    max_tokens: int
    end_ids: tuple[int, ...]
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0.0 or self.top_k == 1


class Rollout:
    """The compiled programs that draw from one model. `has_cache` says whether its attention takes a cache."""

    def __init__(self, model: nnx.Module, *, has_cache: bool = True) -> None:
        self._model = model
        self._memory = _Cached() if has_cache else _Whole()
        self._programs: dict[tuple[Any, ...], Callable[..., Any]] = {}

    @property
    def model(self) -> nnx.Module:
        return self._model

    def draw(self, prompts: Sequence[Sequence[int]], group: int, how: Draw, key: jax.Array) -> list[list[int]]:
        """`group` completions of each prompt, in order, each up to its end token or the limit."""
        ids = padded(prompts)
        program = self._program("draw", (ids.shape, group, how), self._whole_draw(group, how))
        tokens = hosts.whole(program(nnx.state(self._model), ids, np.asarray(jax.random.key_data(key))))
        return [_up_to_the_end(row, how.end_ids) for row in tokens]

    def stream(
        self, prompt: Sequence[int], how: Draw, key: jax.Array, heed: Callable[[int], bool], room: int | None = None
    ) -> list[int]:
        """The completion that `draw` gives for this prompt alone; `heed` is told each token, and ends it by True.

        A smaller `room` than the limit cuts it off earlier.
        """
        ids = padded([prompt])
        state = nnx.state(self._model)
        begin = self._program("begin", (ids.shape, how), self._begin(1, how))
        go_on = self._program("go on", (ids.shape, how), self._go_on(how))
        carried = begin(state, jnp.asarray(ids))
        said: list[int] = []
        for place in range(how.max_tokens if room is None else room):
            token, carried = go_on(state, carried, place, key)
            said.append(int(token[0]))
            if heed(said[-1]) or said[-1] in how.end_ids:
                break
        return said

    # --- the programs: each takes the model's state, so that one program serves all steps of a training

    def _program(self, name: str, shape: tuple[Any, ...], make: Callable[..., Any]) -> Callable[..., Any]:
        # A model's graph may hold what cannot be hashed, so it is closed over and not handed to jit.
        return self._programs.setdefault((name, *shape), jax.jit(make))

    def _merged(self, graph: Any, state: Any) -> Any:
        return nnx.merge(graph, state, copy=True)  # some models write into their own variables as they run

    def _begin(self, group: int, how: Draw) -> Callable[..., Any]:
        graph = nnx.graphdef(self._model)

        def begin(state: Any, ids: jax.Array) -> Any:
            logits, memory = self._memory.read(self._merged(graph, state), ids, how.max_tokens)
            return _repeated((logits, memory), group)

        return begin

    def _go_on(self, how: Draw) -> Callable[..., Any]:
        graph = nnx.graphdef(self._model)

        def go_on(state: Any, carried: Any, place: jax.Array, key: jax.Array) -> Any:
            logits, memory = carried
            token = _choose(logits, how, key, place)
            return token, self._memory.add(self._merged(graph, state), memory, token)

        return go_on

    def _whole_draw(self, group: int, how: Draw) -> Callable[..., Any]:
        begin, go_on = self._begin(group, how), self._go_on(how)
        ends = jnp.asarray(how.end_ids)

        # Numbers that all hosts have may go to devices of theirs together, which a host's own array may not.
        def draw(state: Any, ids: jax.Array, key_data: jax.Array) -> jax.Array:
            rows, key = ids.shape[0] * group, jax.random.wrap_key_data(key_data)

            def body(loop: Any) -> Any:
                place, tokens, done, carried = loop
                token, carried = go_on(state, carried, place, key)
                tokens = tokens.at[:, place].set(jnp.where(done, PAD, token))
                return place + 1, tokens, done | jnp.isin(token, ends), carried

            first = (0, jnp.full((rows, how.max_tokens), PAD), jnp.zeros(rows, bool), begin(state, ids))
            unfinished = lambda loop: (loop[0] < how.max_tokens) & ~jnp.all(loop[2])  # noqa: E731
            tokens: jax.Array = jax.lax.while_loop(unfinished, body, first)[1]
            return tokens

        return draw


def padded(prompts: Sequence[Sequence[int]], width: int | None = None) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Prompts as one array, filled up on the left."""
    longest = width or -(-max(map(len, prompts)) // _BUCKET) * _BUCKET
    ids = np.full((len(prompts), longest), PAD, np.int32)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = prompt
    return ids


def step_key(seed: int, number: int) -> jax.Array:
    """Random numbers of their own for each draw of a run."""
    return jax.random.fold_in(jax.random.key(seed), number)


def _up_to_the_end(row: Any, end_ids: tuple[int, ...]) -> list[int]:
    ids: list[int] = row.tolist()
    for place, token in enumerate(ids):
        if token in end_ids:
            return ids[: place + 1]
    return ids


def _repeated(tree: Any, group: int) -> Any:
    return jax.tree.map(lambda part: jnp.repeat(part, group, axis=0) if group > 1 and part.ndim else part, tree)


# --- what a model remembers of the tokens behind it


class _Cached:
    """Keys and values of each layer, in the cache that Tunix's models take."""

    def read(self, model: Any, ids: jax.Array, room: int) -> tuple[jax.Array, Any]:
        rows, width = ids.shape
        valid = ids != PAD
        seen = jnp.pad(valid, ((0, 0), (0, room)))
        causal = jnp.tril(jnp.ones((width, width + room), bool))
        cache = model.init_cache(rows, width + room, model.config.dtype if hasattr(model.config, "dtype") else None)
        logits, cache = model(ids, _positions(valid), cache, seen[:, None, :] & causal)
        # The cache is filled from the left for all rows alike, so one count of its length is enough.
        return logits[:, -1], (cache, seen, jnp.asarray(width))

    def add(self, model: Any, memory: Any, token: jax.Array) -> tuple[jax.Array, Any]:
        cache, seen, length = memory
        position = seen.sum(axis=1, keepdims=True)
        seen = seen.at[:, length].set(True)
        logits, cache = model(token[:, None], position, cache, seen[:, None, :])
        return logits[:, -1], (cache, seen, length + 1)


class _Whole:
    """All tokens themselves, read again for each new one: for models whose attention takes no cache."""

    def read(self, model: Any, ids: jax.Array, room: int) -> tuple[jax.Array, Any]:
        memory = (jnp.pad(ids, ((0, 0), (0, room)), constant_values=PAD), jnp.asarray(ids.shape[1]))
        return self._next(model, memory), memory

    def add(self, model: Any, memory: Any, token: jax.Array) -> tuple[jax.Array, Any]:
        ids, length = memory
        memory = (ids.at[:, length].set(token), length + 1)
        return self._next(model, memory), memory

    def _next(self, model: Any, memory: Any) -> jax.Array:
        ids, length = memory
        valid = ids != PAD
        causal = jnp.tril(jnp.ones((ids.shape[1], ids.shape[1]), bool))
        logits, _ = model(ids, _positions(valid), None, valid[:, None, :] & causal)
        last: jax.Array = jax.lax.dynamic_index_in_dim(logits, length - 1, 1, keepdims=False)
        return last


def _positions(valid: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.cumsum(valid, axis=1) - 1, 0)


# --- one token


def _choose(logits: jax.Array, how: Draw, key: jax.Array, place: jax.Array) -> jax.Array:
    logits = logits.astype(jnp.float32)
    if how.is_greedy:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    logits = logits / how.temperature
    if 0 < how.top_k < logits.shape[-1]:
        least = jax.lax.top_k(logits, how.top_k)[0][:, -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if how.top_p < 1.0:
        logits = _within_share(logits, how.top_p)
    keys = jax.vmap(lambda row: jax.random.fold_in(jax.random.fold_in(key, row), place))(jnp.arange(len(logits)))
    return jax.vmap(jax.random.categorical)(keys, logits).astype(jnp.int32)


def _within_share(logits: jax.Array, share: float) -> jax.Array:
    """The likeliest tokens that together make up the share; never fewer than one."""
    order = jnp.argsort(logits, axis=-1, descending=True)
    likely = jax.nn.softmax(jnp.take_along_axis(logits, order, axis=-1), axis=-1)
    before = jnp.cumsum(likely, axis=-1) - likely
    kept_in_order = before < share
    kept = jnp.zeros_like(kept_in_order).at[jnp.arange(len(logits))[:, None], order].set(kept_in_order)
    return jnp.where(kept, logits, -jnp.inf)
