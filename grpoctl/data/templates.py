"""What do LLaMA-Factory's template names stand for?

The tokenizer's own chat template is what renders. A name says which family of templates it should be of, and lends one
to a tokenizer that has none, as base models' often have none.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """The templates of related models: what marks their prompts, what ends an answer, and one of them as jinja."""

    name: str
    marks: tuple[str, ...]  # each of which stands in every prompt
    end: str  # `{eos}` is the tokenizer's end token
    jinja: str


def _turns(system: str, user: str, assistant: str, ask: str, begin: str = "") -> str:
    """A jinja template that writes one turn after the other."""
    return (
        f"{begin}{{% for message in messages %}}"
        f"{{% if message['role'] == 'system' %}}{system}"
        f"{{% elif message['role'] == 'user' %}}{user}"
        f"{{% else %}}{assistant}{{% endif %}}"
        f"{{% endfor %}}{{% if add_generation_prompt %}}{ask}{{% endif %}}"
    )


_SAID = "{{ message['content'] }}"
_ROLE = "{{ message['role'] }}"
_CHATML = f"<|im_start|>{_ROLE}\n{_SAID}<|im_end|>\n"
_HEADER = f"<|start_header_id|>{_ROLE}<|end_header_id|>\n\n{{{{ message['content'] | trim }}}}<|eot_id|>"
_BOS = "{{ bos_token }}"
_EOS = "{{ eos_token }}"

# Gemma has no system turn: its text opens the first user turn, which is why it is kept aside.
_GEMMA = (
    "{{ bos_token }}{% set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' %}"
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else 'user' }}\n"
    "{% if system and message['role'] == 'user' and loop.index0 == 1 %}{{ system }}\n\n{% endif %}"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
_CHATGLM2 = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}"
    "[Round {{ messages[:loop.index] | selectattr('role', 'equalto', 'user') | list | length }}]\n\n"
    "问：{{ message['content'] }}\n\n答：{% else %}{{ message['content'] }}\n\n{% endif %}{% endfor %}"
)

_QWEN = Family("qwen", ("<|im_start|>",), "<|im_end|>", _turns(_CHATML, _CHATML, _CHATML, "<|im_start|>assistant\n"))
_LLAMA3 = Family(
    "llama3",
    ("<|start_header_id|>", "<|end_header_id|>"),
    "<|eot_id|>",
    _turns(_HEADER, _HEADER, _HEADER, "<|start_header_id|>assistant<|end_header_id|>\n\n", _BOS),
)
_GEMMA_FAMILY = Family("gemma", ("<start_of_turn>",), "<end_of_turn>", _GEMMA)
_DEEPSEEK = Family(
    "deepseek",
    ("User:", "Assistant:"),
    "{eos}",
    _turns(
        f"{_SAID}\n\n", f"User: {_SAID}\n\n", f"Assistant: {_SAID}{{{{ eos_token }}}}", "Assistant:", "{{ bos_token }}"
    ),
)
_DEEPSEEK3 = Family(
    "deepseek3",
    ("<｜User｜>", "<｜Assistant｜>"),
    "{eos}",
    _turns(
        _SAID, f"<｜User｜>{_SAID}", f"<｜Assistant｜>{_SAID}{{{{ eos_token }}}}", "<｜Assistant｜>", "{{ bos_token }}"
    ),
)
_CHATGLM2_FAMILY = Family("chatglm2", ("问：", "答："), "{eos}", _CHATGLM2)
_CHATGLM3 = Family(
    "chatglm3",
    ("<|user|>", "<|assistant|>"),
    "<|user|>",
    _turns(f"<|system|>\n {_SAID}", f"<|user|>\n {_SAID}", f"<|assistant|>\n {_SAID}", "<|assistant|>", "[gMASK]sop"),
)
_GLM4 = Family(
    "glm4",
    ("<|user|>", "<|assistant|>"),
    "<|user|>",
    _turns(f"<|system|>\n{_SAID}", f"<|user|>\n{_SAID}", f"<|assistant|>\n{_SAID}", "<|assistant|>", "[gMASK]<sop>"),
)

_NAMES = {
    _QWEN: "qwen qwen3 qwen3_nothink qwen2_vl qwen2_omni qwen3_vl qwen3_vl_nothink qwen3_omni qwen3_omni_nothink "
    "chatml",
    _LLAMA3: "llama3 mllama",
    _GEMMA_FAMILY: "gemma gemma2 gemma3 gemma3n",
    _DEEPSEEK: "deepseek",
    _DEEPSEEK3: "deepseek3 deepseekr1",
    _CHATGLM2_FAMILY: "chatglm2",
    _CHATGLM3: "chatglm3",
    _GLM4: "glm4 glm4_moe glmz1",
}
FAMILIES: dict[str, Family] = {name: family for family, names in _NAMES.items() for name in names.split()}
