"""How does a loaded model answer prompts outside of training?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from grpoctl.engines.trl import load, threads
from grpoctl.engines.trl.rollout import Draw, Model, draw
from grpoctl.engines.trl.trainer import seeded_generator
from grpoctl.evaluate import Completion
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe


class TrlSampler:
    """A model and its tokenizer, asked through the rollout."""

    def __init__(self, model: Model, tokenizer: Any, end_ids: tuple[int, ...], max_tokens: int) -> None:
        self._model, self._tokenizer, self._end_ids, self._max_tokens = model, tokenizer, end_ids, max_tokens

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        ids = [self._tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
        how = Draw(self._max_tokens, self._end_ids, sampling.temperature, sampling.top_k, sampling.top_p)
        drawn = draw(self._model, ids, how, seeded_generator(seed, 0, self._model.device))
        texts = self._tokenizer.batch_decode(drawn.ids, skip_special_tokens=True)
        return [
            Completion(text, len(row), truncated=row[-1] not in self._end_ids)
            for text, row in zip(texts, drawn.ids, strict=True)
        ]


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
    tokenizer = load.load_tokenizer(recipe, base)
    model = load.load_model(opened, folder).eval()
    if torch.cuda.is_available():
        model.to("cuda")
    ends = load.end_ids(tokenizer, model, recipe.template)
    return TrlSampler(model, tokenizer, ends, recipe.max_completion_length or 0)
