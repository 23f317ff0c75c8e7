"""How does a row become the text and tokens that the model sees?

Reads tokenizer.json with `tokenizers` and the chat template with jinja2, so that checking a recipe needs no
transformers; a test holds that both render the same.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from grpoctl.data.rows import Row
from grpoctl.errors import Finding, ModelError
from grpoctl.paths import is_file
from grpoctl.recipe.schema import Recipe

Message = dict[str, str]


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

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.folder = folder
        file = folder / "tokenizer.json"
        if not is_file(file):
            raise ModelError(Finding("has no tokenizer.json", "give a whole Hugging Face folder", file=str(folder)))
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers raises bare Exception
            problem = f"is no tokenizer ({str(error)[:80]})"
            raise ModelError(Finding(problem, "download the model again", file=str(file))) from None
        self._config = _json(folder / "tokenizer_config.json")
        self.template = self._read_template()
        positions = _json(folder / "config.json").get("max_position_embeddings")
        self.max_positions = positions if isinstance(positions, int) else None
        self._render = _compile(self.template, folder) if self.template is not None else None

    def render(self, messages: Sequence[Message], enable_thinking: bool | None = None) -> str:
        """The prompt, up to where the model's answer begins; without a chat template, the last turn as it is."""
        if self._render is None:
            return messages[-1]["content"]
        extra = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        try:
            text = self._render.render(
                messages=list(messages), add_generation_prompt=True, **self._special_tokens(), **extra
            )
        except Exception as error:  # templates come with models and may raise anything
            problem = f"does not render ({str(error)[:120]})"
            raise ModelError(
                Finding(problem, "change the prompt or the template", file=f"{self.folder} chat template")
            ) from None
        return str(text)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text; a template writes its special tokens itself, so none are added."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def _read_template(self) -> str | None:
        file = self.folder / "chat_template.jinja"
        if is_file(file):
            return file.read_text(encoding="utf-8")
        template = self._config.get("chat_template")
        if isinstance(template, list):  # several named ones
            named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
            template = named.get("default")
        return template if isinstance(template, str) else None

    def _special_tokens(self) -> dict[str, str]:
        names = ("bos_token", "eos_token", "pad_token", "unk_token")
        held = {name: self._config.get(name) for name in names}
        texts = {name: token.get("content") if isinstance(token, dict) else token for name, token in held.items()}
        return {name: text for name, text in texts.items() if isinstance(text, str)}


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
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

    def tojson(value: Any, indent: int | None = None, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent, **options)

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
    except TemplateError as error:
        problem = f"has a chat template that is no jinja ({str(error)[:120]})"
        raise ModelError(Finding(problem, "mend the template", file=str(folder))) from None
