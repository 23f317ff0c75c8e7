"""An engine whose models answer at once, without weights: they say who they are and what they were asked."""

import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from grpoctl.engines import base
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe
from grpoctl.samples import Completion


class WholeSampler:
    """One that cannot stream. It takes the tiny model's chat template for granted."""

    def __init__(self, name: str, max_tokens: int) -> None:
        self.name, self.max_tokens = name, max_tokens

    def sample(self, prompts: Sequence[str], sampling: EvalSampling, seed: int) -> list[Completion]:
        answers = [self._answer(prompt, seed) for prompt in prompts]
        return [Completion(answer, len(answer.split(" ")), False) for answer in answers]

    def rows_at_once(self, prompts: Sequence[str]) -> int:
        return 1

    def _answer(self, prompt: str, seed: int) -> str:
        return f"{self.name} with seed {seed} was asked {' and '.join(_questions(prompt))}."


def _questions(prompt: str) -> list[str]:
    return re.findall(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", prompt, re.DOTALL)


class FakeSampler(WholeSampler):
    """One that streams word by word: asked `slowly`, one a second; asked to `interrupt`, with Ctrl-C at each."""

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
        said: list[str] = []
        question = _questions(prompt)[-1:]
        for word in re.findall(r"\S+\s*", self._answer(prompt, seed))[:max_tokens]:
            said.append(word)
            on_text(word)
            if question == ["slowly"]:
                time.sleep(1)
            if question == ["interrupt"]:
                signal.raise_signal(signal.SIGINT)
            if stopped():
                return Completion("".join(said), len(said), True)
        return Completion("".join(said), len(said), len(said) == max_tokens)


class FakeEngine:
    def open(self, recipe: Recipe, base: Path, trained: Path | None) -> FakeSampler:
        return FakeSampler("the base" if trained is None else "the trained", recipe.max_completion_length or 0)


class WholeEngine:
    def open(self, recipe: Recipe, base: Path, trained: Path | None) -> WholeSampler:
        return WholeSampler("the base" if trained is None else "the trained", 0)


FAKE = base.EngineNeeds("a fake", (), implementation="fake_engine:FakeEngine")
WHOLE = base.EngineNeeds("a fake", (), implementation="fake_engine:WholeEngine")
