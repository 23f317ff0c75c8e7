"""How does a row become the text and tokens that the model sees?

Reads tokenizer.json with `tokenizers` and the chat template with jinja2, so that checking a recipe needs no
transformers; a test holds that both render the same.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from grpoctl.data.rows import Row
from grpoctl.data.templates import FAMILIES
from grpoctl.errors import Finding, ModelError
from grpoctl.paths import is_file
from grpoctl.recipe.schema import Recipe

Message = dict[str, str]

# An encoding takes a hundred times the memory of its count, so not all are held at once.
_TEXTS_AT_ONCE = 256


def messages_of(row: Row, recipe: Recipe) -> list[Message]:
    """The conversation up to the question."""
    system = recipe.system_prompt
    if system is None:
        system = row.system or recipe.default_system
    turns = [{"role": "system", "content": system}] if system else []
    for question, answer in row.history:
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [*turns, {"role": "user", "content": row.question}]


class ChatTokenizer:
    """The chat template and the tokens of one model folder."""

    def __init__(self, folder: Path, template_name: str | None = None) -> None:
        """`template_name` is LLaMA-Factory's: its template serves where the tokenizer has none."""
        from tokenizers import Tokenizer

        self.folder = folder
        file = folder / "tokenizer.json"
        if not is_file(file):
            raise ModelError(Finding("has no tokenizer.json", "give a whole Hugging Face folder", file=str(folder)))
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
            # A saved file may cut or fill every text to one length, which is not what is asked for here.
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        except BaseException as error:  # tokenizers raises bare Exceptions, and its panics are none
            raise _fault(error, "is no tokenizer", "download the model again", str(file)) from None
        self._config = _json(folder / "tokenizer_config.json")
        self._special_tokens = _special_tokens(self._config)
        self.own_template = self._read_template()
        family = FAMILIES.get(template_name or "")
        self.template = self.own_template or (family.jinja if family is not None else None)
        positions = _json(folder / "config.json").get("max_position_embeddings")
        self.max_positions = positions if isinstance(positions, int) else None
        self._render = _compile(self.template, folder) if self.template is not None else None

    def render(self, messages: Sequence[Message], enable_thinking: bool | None = None, ask: bool = True) -> str:
        """The prompt, up to where the model's answer begins; without a chat template, the last turn as it is.

        With `ask=False` it ends behind the last turn.
        """
        if self._render is None:
            return messages[-1]["content"]
        extra = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        try:
            text = self._render.render(
                messages=list(messages),
                tools=None,
                documents=None,
                add_generation_prompt=ask,
                **self._special_tokens,
                **extra,
            )
        except Exception as error:  # templates come with models and may raise anything
            fix = "change the prompt or the template"
            raise _fault(error, "does not render", fix, f"{self.folder} chat template") from None
        return str(text)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text; a template writes its special tokens itself, so none are added."""
        counts: list[int] = []
        try:
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                some = list(texts[start : start + _TEXTS_AT_ONCE])
                # Fast as no offsets are kept, which nobody reads.
                counts += map(len, self._tokenizer.encode_batch_fast(some, add_special_tokens=False))
        except BaseException as error:
            raise _fault(error, "does not encode a prompt", "change it", f"{self.folder} tokenizer.json") from None
        return counts

    def special_tokens(self) -> list[str]:
        """Tokens with a meaning of their own, the longest first."""
        added = self._tokenizer.get_added_tokens_decoder().values()
        return sorted((token.content for token in added), key=len, reverse=True)

    def knows(self, token: str) -> bool:
        """Whether this is one token."""
        return self._tokenizer.token_to_id(token) is not None

    def declared_ends(self) -> list[str]:
        """The end tokens that the model's own files name."""
        ends: list[str] = []
        for name in ("generation_config.json", "config.json"):
            named = _json(self.folder / name).get("eos_token_id")
            numbers = named if isinstance(named, list) else [named]
            ends += [
                self._tokenizer.id_to_token(number) for number in numbers if isinstance(number, int) and number >= 0
            ]
        return [token for token in ends if token]

    @property
    def end_token(self) -> str | None:
        return self._special_tokens.get("eos_token")

    @property
    def pad_token(self) -> str | None:
        return self._special_tokens.get("pad_token")

    def _read_template(self) -> str | None:
        file = self.folder / "chat_template.jinja"
        if is_file(file):
            try:
                return file.read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                raise _fault(error, "cannot be read", "download the model again", str(file)) from None
        template = self._config.get("chat_template")
        if isinstance(template, list):  # several named ones
            named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
            template = named.get("default")
        return template if isinstance(template, str) else None


def _special_tokens(config: dict[str, Any]) -> dict[str, str]:
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    held = {name: config.get(name) for name in names}
    texts = {name: token.get("content") if isinstance(token, dict) else token for name, token in held.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _json(file: Path) -> dict[str, Any]:
    if not is_file(file):  # nor read from a pipe, which might never end
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ModelError(Finding("is not JSON", "download the model again", file=str(file))) from None
    return value if isinstance(value, dict) else {}


def _compile(template: str, folder: Path) -> Any:
    """The template in the environment that transformers gives it."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks the assistant's text for training masks; here it only passes through."""

        tags = {"generation"}  # noqa: RUF012, as jinja2 declares it

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    def strftime_now(form: str) -> str:
        from datetime import datetime

        return datetime.now().strftime(form)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    try:
        return environment.from_string(template)
    except Exception as error:  # a deep template ends in a RecursionError or SyntaxError
        raise _fault(error, "has a chat template that is no jinja", "mend the template", str(folder)) from None


def _fault(error: BaseException, problem: str, fix: str, file: str) -> ModelError:
    """What a part of the model folder did wrong; interrupts are passed on."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    return ModelError(Finding(f"{problem} ({str(error)[:120]})", fix, file=file))
