"""How does a loaded model answer prompts outside of training?"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from grpoctl.engines.trl import load, threads
from grpoctl.engines.trl.rollout import Draw, Model, core_of, draw
from grpoctl.engines.trl.trainer import seeded_generator
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe
from grpoctl.samples import Completion
from grpoctl.tokenizer import TextOfTokens, load_tokenizer

# Beyond so many rows a batch gains nothing more: a CPU's caches are full.
_MOST_ROWS_ON_CPU, _MOST_ROWS = 128, 256

# Of the memory that caches and scores may take: a share of a GPU's, or so many bytes on a CPU.
_SHARE_OF_GPU, _BYTES_ON_CPU = 0.25, 2**30


class TrlSampler:
    """A model and its tokenizer, asked through the rollout."""

    def __init__(self, model: Model, tokenizer: Any, end_ids: tuple[int, ...], max_tokens: int) -> None:
        self._model, self._tokenizer, self._end_ids, self._max_tokens = model, tokenizer, end_ids, max_tokens

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        return self._draw(prompts, sampling, seed, self._max_tokens)

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
            piece = text.add(token)
            if piece:
                on_text(piece)
            return stopped()

        room = self._max_tokens if max_tokens is None else min(max_tokens, self._max_tokens)
        [completion] = self._draw([prompt], sampling, seed, room, heed)
        if rest := text.rest():
            on_text(rest)
        return completion

    def _draw(
        self,
        prompts: Sequence[str],
        sampling: EvalSampling,
        seed: int,
        max_tokens: int,
        heed: Callable[[int], bool] | None = None,
    ) -> list[Completion]:
        ids = self._tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        how = Draw(max_tokens, self._end_ids, sampling.temperature, sampling.top_k, sampling.top_p)
        drawn = draw(self._model, ids, how, seeded_generator(seed, 0, self._model.device), heed=heed)
        texts = self._tokenizer.batch_decode(drawn.ids, skip_special_tokens=True)
        return [
            Completion(text, len(row), truncated=row[-1] not in self._end_ids)
            for text, row in zip(texts, drawn.ids, strict=True)
        ]

    def rows_at_once(self, prompts: Sequence[str]) -> int:
        """By the size of the cache of the longest prompt, and of a row's scores over the vocabulary."""
        config = core_of(self._model).config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        longest = max(len(self._tokenizer(prompt)["input_ids"]) for prompt in sorted(prompts, key=len)[-20:])
        dtype_bytes = self._model.dtype.itemsize
        cache = 2 * config.num_hidden_layers * heads * width * dtype_bytes * (longest + self._max_tokens)
        scores = 24 * config.vocab_size  # a few copies in float32 while a token is drawn
        device = self._model.device
        most, room = _MOST_ROWS_ON_CPU, _BYTES_ON_CPU
        if device.type == "cuda":
            most, room = _MOST_ROWS, int(_SHARE_OF_GPU * torch.cuda.get_device_properties(device).total_memory)
        return int(max(1, min(most, room // (cache + scores))))


def open_sampler(recipe: Recipe, base: Path, trained: Path | None) -> TrlSampler:
    """The model of a folder, with what a run trained of it."""
    load.quieten_libraries()
    count = threads.given_threads(recipe.num_threads)
    if count is not None:
        torch.set_num_threads(count)
    folder, opened = base, recipe
    if trained is not None and (trained / "adapter_config.json").is_file():
        # A run that began with adapters trained the last of them, so its own takes that one's place.
        opened = recipe.model_copy(update={"adapter_name_or_path": (*recipe.adapter_name_or_path[:-1], str(trained))})
    elif trained is not None:
        folder, opened = trained, recipe.model_copy(update={"adapter_name_or_path": ()})
    tokenizer = load_tokenizer(recipe, base)
    model = load.load_model(opened, folder).eval()
    if torch.cuda.is_available():
        model.to("cuda")
    ends = load.end_ids(tokenizer, model, recipe.template)
    return TrlSampler(model, tokenizer, ends, recipe.max_completion_length or 0)
