"""How does a loaded model answer prompts outside of training?"""

from collections.abc import Sequence
from typing import Any

from grpoctl.engines.trl.rollout import Draw, Model, draw
from grpoctl.engines.trl.trainer import seeded_generator
from grpoctl.evaluate import Completion
from grpoctl.recipe.keys.evaluation import EvalSampling


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
