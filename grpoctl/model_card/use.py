"""Which program asks an exported model as it was asked in training?"""

import json
from collections.abc import Iterator
from pathlib import Path

from grpoctl.engines.base import Exported
from grpoctl.model_card.text import model_name
from grpoctl.recipe.schema import Recipe


def program(recipe: Recipe, exported: Exported, folder: Path, place: str) -> str:
    """A program on transformers, and on peft for adapters alone."""
    alone = exported.format == "peft"
    weights = model_name(str(recipe.model_name_or_path)) if alone else place
    trust = ", trust_remote_code=True" if recipe.trust_remote_code else ""
    lines = [
        *(["from peft import PeftModel"] if alone else []),
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"tokenizer = AutoTokenizer.from_pretrained({_quoted(place)}{trust})",
        f'model = AutoModelForCausalLM.from_pretrained({_quoted(weights)}, dtype="auto"{trust})',
        *([f"model = PeftModel.from_pretrained(model, {_quoted(place)})"] if alone else []),
        'question = "…"',
        *_inputs(recipe, folder),
        f"output = model.generate(**inputs, max_new_tokens={recipe.max_completion_length})",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))',
    ]
    return "\n".join(lines) + "\n"


def _inputs(recipe: Recipe, folder: Path) -> Iterator[str]:
    """As grpoctl.data.chat makes a prompt: without a template, of the question alone."""
    if not _has_template(folder):
        yield 'inputs = tokenizer(question, return_tensors="pt")'
        return
    system = recipe.default_system if recipe.system_prompt is None else recipe.system_prompt
    turns = [f'{{"role": "system", "content": {_quoted(system)}}}'] if system else []
    turns.append('{"role": "user", "content": question}')
    thinking = "" if recipe.enable_thinking else ", enable_thinking=False"
    yield f"messages = [{', '.join(turns)}]"
    yield "inputs = tokenizer.apply_chat_template("
    yield f'    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"{thinking}'
    yield ")"


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template"))
    except (OSError, ValueError):
        return False


def _quoted(text: str) -> str:
    """JSON's text is Python's too."""
    return json.dumps(text, ensure_ascii=False)
