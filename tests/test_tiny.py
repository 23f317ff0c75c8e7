"""Are the committed arithmetic files and the tiny model what scripts/make_tiny.py says they are?"""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
TINY = DATA / "tiny"


def rows(split: str) -> list[dict[str, str]]:
    text = (DATA / f"tiny_arithmetic_{split}.json").read_text(encoding="utf-8")
    loaded: list[dict[str, str]] = json.loads(text)
    return loaded


def operands(row: dict[str, str]) -> frozenset[int]:
    """The two numbers of a prompt without their order; 44 + 44 is a set of one."""
    numbers = re.findall(r"\d+", row["instruction"])
    assert len(numbers) == 2, row
    return frozenset(map(int, numbers))


def setting(file: str, key: str) -> Any:
    return json.loads((TINY / file).read_text(encoding="utf-8"))[key]


def make_arithmetic(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_arithmetic", ROOT / "scripts" / "make_arithmetic.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def test_the_model_folder_holds_at_most_3_mb() -> None:
    assert sum(path.stat().st_size for path in TINY.rglob("*")) <= 3_000_000


def test_pad_and_end_are_two_tokens() -> None:
    for file in ("config.json", "generation_config.json"):
        pad, end = setting(file, "pad_token_id"), setting(file, "eos_token_id")
        assert isinstance(pad, int) and isinstance(end, int) and pad != end
    assert setting("tokenizer_config.json", "pad_token") != setting("tokenizer_config.json", "eos_token")


def test_rope_theta_is_the_1e6_that_tunix_assumes() -> None:
    assert setting("config.json", "rope_parameters")["rope_theta"] == 1e6


def test_tags_and_digits_are_single_tokens_that_decoding_keeps() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(TINY / "tokenizer.json"))
    for tag in ("reasoning", "answer", "think"):
        text = f"<{tag}>63</{tag}>"
        encoded = tokenizer.encode(text)
        assert encoded.tokens == [f"<{tag}>", "6", "3", f"</{tag}>"]
        assert tokenizer.decode(encoded.ids, skip_special_tokens=True) == text


def test_rows_hold_a_unique_prompt_and_its_sum() -> None:
    for split, count in (("train", 2000), ("test", 500)):
        loaded = rows(split)
        assert len({row["instruction"] for row in loaded}) == len(loaded) == count
        for row in loaded:
            a, b = map(int, re.findall(r"\d+", row["instruction"]))
            assert row == {"instruction": row["instruction"], "input": "", "output": str(a + b)}


def test_train_and_test_operands_never_meet_in_either_order() -> None:
    assert not {operands(row) for row in rows("train")} & {operands(row) for row in rows("test")}


def test_seed_0_rebuilds_the_committed_rows_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rebuilt in make_arithmetic(monkeypatch).write_data(tmp_path, 0):
        assert rebuilt.read_bytes() == (DATA / rebuilt.name).read_bytes()


def test_greedy_decoding_solves_15_to_35_percent_of_the_held_out_sums() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(TINY)
    model = transformers.AutoModelForCausalLM.from_pretrained(TINY)
    test_rows = rows("test")
    conversations = [[{"role": "user", "content": row["instruction"]}] for row in test_rows]
    inputs = tokenizer.apply_chat_template(
        conversations, add_generation_prompt=True, return_dict=True, padding=True, return_tensors="pt"
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for so small a model a second thread costs more than it brings
    try:
        ids = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=40,
            do_sample=False,
        )
    finally:
        torch.set_num_threads(threads)
    texts = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    answers = [re.findall(r"<answer>(.*?)</answer>", text) for text in texts]
    solved = [found[-1:] == [row["output"]] for found, row in zip(answers, test_rows, strict=True)]
    assert 0.15 <= sum(solved) / len(solved) <= 0.35
