"""How does a question become a prompt, and its answer text on the screen as it comes?"""

import copy
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol, runtime_checkable

from grpoctl.counted import counted
from grpoctl.data.chat import ChatTokenizer, messages_of
from grpoctl.data.rows import Row
from grpoctl.errors import Finding, InputError
from grpoctl.evaluate import Sampler
from grpoctl.model_files import find_tokenizer
from grpoctl.recipe.keys.evaluation import EvalSampling
from grpoctl.recipe.schema import Recipe
from grpoctl.samples import Completion

# Not printable to Python, and harmless: line ends, tabs, and what joins and parts letters and emoji.
_HARMLESS = "\n\t\u200c\u200d"


@runtime_checkable
class Streamer(Protocol):
    """A sampler that passes its text on as it comes; of another, the answer is shown once it is whole."""

    def stream(
        self,
        prompt: str,
        sampling: EvalSampling,
        seed: int,
        on_text: Callable[[str], object],
        *,
        max_tokens: int | None = None,
        stopped: Callable[[], bool] = ...,
    ) -> Completion: ...


@dataclass(frozen=True)
class Prompt:
    """What the model sees, and the most tokens that its answer may have."""

    text: str
    room: int


class Interview:
    """How questions become prompts, and prompts answers: by the recipe, in one mode, from one seed."""

    def __init__(self, recipe: Recipe, base: Path, mode: str, seed: int | None = None, *, raw: bool = False) -> None:
        """With `raw`, what is asked is the prompt as it stands."""
        self.mode, self.raw = mode, raw
        self.seed = recipe.seed if seed is None else seed
        self.interrupt = Interrupt()
        self._recipe = recipe
        self._sampling: EvalSampling = getattr(recipe.eval_modes, mode)
        # A picture is its own prompt.
        self._tokenizer = (
            None if recipe.reads_pictures else ChatTokenizer(find_tokenizer(recipe) or base, recipe.template)
        )

    def otherwise(self, mode: str, seed: int) -> "Interview":
        """The same questions in another mode or from another seed, with the tokenizer that is read already."""
        other = copy.copy(self)
        other.mode, other.seed, other._sampling = mode, seed, getattr(self._recipe.eval_modes, mode)
        return other

    @property
    def keeps_history(self) -> bool:
        return not self.raw and self._tokenizer is not None and self._tokenizer.template is not None

    @property
    def lacks_template(self) -> bool:
        return not self.raw and self._tokenizer is not None and self._tokenizer.template is None

    def prompt(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Prompt:
        """What training would have made of a row with this question, or InputError where it cannot be asked."""
        if self._tokenizer is None:
            from grpoctl.digits.pixels import pixels_of

            if not question.strip():
                raise InputError(Finding("is empty", "name a picture: grpoctl ask RUN digit.png", file="question"))
            pixels_of([question.strip()])  # what is no picture is told before the network is loaded
            return Prompt(question.strip(), 1)
        try:
            question.encode()
        except UnicodeEncodeError:
            raise InputError(Finding("is not UTF-8 text", "write it as such", file="question")) from None
        text = question
        if not self.raw:
            row = Row(question, "", history=tuple(history))
            text = self._tokenizer.render(messages_of(row, self._recipe), self._recipe.enable_thinking)
        (tokens,) = self._tokenizer.lengths([text])
        if not (question if self.raw else question.strip()) or not tokens:
            raise InputError(Finding("is empty", 'ask something: grpoctl ask "1 + 1?"', file="question"))
        room, positions = self._recipe.max_completion_length or 0, self._tokenizer.max_positions
        if positions is None:
            return Prompt(text, room)
        if tokens >= positions:
            problem = f"comes to a prompt of {tokens} tokens, and the model has {positions} positions"
            fix = "start over with /new" if history else "ask a shorter one"
            raise InputError(Finding(problem, fix, file="question"))
        return Prompt(text, min(room, positions - tokens))

    def answer(
        self, sampler: Sampler, prompt: Prompt, on_text: Callable[[str], object] = lambda text: None, turn: int = 0
    ) -> Completion:
        """One answer, which Ctrl-C ends where it is."""
        seed, stopped = self.seed + turn, self.interrupt.came
        if isinstance(sampler, Streamer):
            return sampler.stream(prompt.text, self._sampling, seed, on_text, max_tokens=prompt.room, stopped=stopped)
        (completion,) = sampler.sample([prompt.text], self._sampling, seed)
        on_text(completion.text)
        return completion

    def show(self, sampler: Sampler, prompt: Prompt, turn: int = 0) -> Completion:
        """An answer on standard output, and a line on standard error where it is empty or was cut off."""
        completion = self.answer(sampler, prompt, lambda text: print(readable(text), end="", flush=True), turn)
        print(end="" if completion.text.endswith("\n") else "\n", flush=True)
        if completion.truncated and not self.interrupt.came():
            print(self._why_cut(completion, prompt), file=sys.stderr, flush=True)
        elif not completion.text:
            print("(an empty answer)", file=sys.stderr, flush=True)
        return completion

    def _why_cut(self, completion: Completion, prompt: Prompt) -> str:
        said = f"cut off behind {counted(completion.tokens, 'token')}"
        if self._tokenizer is not None and prompt.room < (self._recipe.max_completion_length or 0):
            return f"({said}, at the end of the model's {self._tokenizer.max_positions} positions)"
        return f"({said}; for more: max_completion_length={2 * prompt.room})"


def heading(label: str) -> str:
    """A line above an answer where several models are asked."""
    return f"--- {readable(label)}"


def readable(text: str) -> str:
    """An answer for the screen: what a terminal would obey is written out, but for new lines and tabs."""
    return "".join(
        char if char.isprintable() or char in _HARMLESS or unicodedata.category(char) == "Zs" else repr(char)[1:-1]
        for char in text
    )


class Interrupt:
    """Ctrl-C as a wish to stop: raised in the middle of a draw, it might leave weights half merged."""

    def __init__(self) -> None:
        self._came = False

    def came(self) -> bool:
        return self._came

    def forget(self) -> bool:
        """What came so far is dealt with; whether anything had."""
        came, self._came = self._came, False
        return came

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While the block runs, one is remembered, and a second one raised."""
        with _handler(self._take):
            yield

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Within a block that takes it, one that does not."""
        self.forget()
        with _handler(signal.default_int_handler):
            yield

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._came:
            raise KeyboardInterrupt
        self._came = True


@contextmanager
def _handler(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
