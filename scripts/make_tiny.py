"""How is the tiny model of the demo and the tests made?

    python scripts/make_tiny.py

rebuilds the arithmetic files, the tokenizer and the model below data/ from a seed, on one CPU thread, in two
minutes. The model is no blank slate: a supervised warm start teaches it column addition, but to write that
down for one phrasing mostly, and to guess for the others. So greedy decoding solves about a quarter of the
held-out sums, and a sample at temperature 1 solves any of them now and then. What GRPO does from there is
mostly to amplify a mode that the warm start holds.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from make_arithmetic import Problem, draw_problems, unique_problems, write_data

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

CONTEXT = 512
VOCABULARY = 400  # a multiple of 16, so that a mesh can split the embedding
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TAGS = [f"<{slash}{name}>" for name in ("reasoning", "answer", "think") for slash in ("", "/")]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The model never trains on a system turn. The tokenizer meets one, so that its last merges go to words which
# such a turn is likely to hold.
SYSTEM = "system\nThink step by step. First write the reasoning, then the final answer, between the tags."

# The share of careful completions for each phrasing. A greedy decoder follows the majority, so the first
# phrasing carries the greedy accuracy nearly alone; the minority in the others is what GRPO has to find.
CAREFUL_SHARE = (0.7, 0.25, 0.25, 0.25, 0.25)
# Every guess falls short. From guesses on both sides of the sum the model learns a hump, and greedy decoding of
# the hump is the sum itself: lucky answers without any work.
SLIPS = range(-12, -2)

STEPS, ROWS_A_STEP, LEARNING_RATE = 1000, 64, 3e-3


def careful(problem: Problem) -> str:
    """Column addition, units first, the carry always written: a step then looks up three digits at most."""
    (a1, a0), (b1, b0) = divmod(problem.a, 10), divmod(problem.b, 10)
    units = a0 + b0
    carry = units // 10
    columns = f"{a0}+{b0}={units};{a1}+{b1}+{carry}={a1 + b1 + carry}"
    return f"<reasoning>{columns}</reasoning><answer>{problem.answer}</answer>"


def sloppy(problem: Problem, rng: random.Random) -> str:
    """A wrong answer without work, half of the time in the right form: form must not stand for accuracy."""
    guess = problem.a + problem.b + rng.choice(SLIPS)
    forms = (
        f"<reasoning>{problem.a}+{problem.b}</reasoning><answer>{guess}</answer>",
        f"<reasoning>{problem.a}+{problem.b}={guess}</reasoning>{guess}",
        f"{guess}",
    )
    return rng.choices(forms, weights=(2, 1, 1))[0]


def completion(problem: Problem, rng: random.Random) -> str:
    return careful(problem) if rng.random() < CAREFUL_SHARE[problem.phrasing] else sloppy(problem, rng)


def prompt_text(question: str) -> str:
    """What CHAT_TEMPLATE makes of a single user turn, without running jinja for each of 64,000 rows."""
    return f"{START}user\n{question}{END}\n{START}assistant\n"


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE, so that any text survives, with each digit a token of its own."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TAGS),
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    # Not special: skip_special_tokens would strip the tags from the text that the rewards read.
    core.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    if core.get_vocab_size() != VOCABULARY:
        raise SystemExit(f"VOCABULARY: is {VOCABULARY}; the texts have {core.get_vocab_size()} tokens only.")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        padding_side="left",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen3ForCausalLM:
    import torch
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        # Tunix computes every Qwen3 with 1e6, whatever its config says.
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        bos_token_id=None,
        **ends,
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(**ends)
    return model


def padded_batch(
    tokenizer: PreTrainedTokenizerFast, problems: list[Problem], rng: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, padded on the right; only completions have labels."""
    import torch

    prompts = [tokenizer(prompt_text(problem.question))["input_ids"] for problem in problems]
    completions = [tokenizer(completion(problem, rng) + END)["input_ids"] for problem in problems]
    width = max(len(p) + len(c) for p, c in zip(prompts, completions, strict=True))
    ids = torch.full((len(problems), width), tokenizer.pad_token_id)
    labels = torch.full((len(problems), width), -100)  # -100 is the ignore index
    for row, (p, c) in enumerate(zip(prompts, completions, strict=True)):
        ids[row, : len(p) + len(c)] = torch.tensor(p + c)
        labels[row, len(p) : len(p) + len(c)] = torch.tensor(c)
    return ids, labels


def warm_start(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    import torch

    rng = random.Random(f"{seed} warm start")
    problems = draw_problems("train", rng)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, STEPS, pct_start=0.05)
    began = time.monotonic()
    for step in range(1, STEPS + 1):
        ids, labels = padded_batch(tokenizer, list(islice(problems, ROWS_A_STEP)), rng)
        # No attention mask: padding stands on the right, where causal attention never looks from.
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="default: 0, the committed files")
    parser.add_argument("--to", type=Path, default=Path("data"), help="folder to write to (default: data)")
    args = parser.parse_args()

    import torch

    torch.set_num_threads(1)  # more threads add floats in another order, which changes the bytes
    write_data(args.to, args.seed)
    problems = unique_problems("train", args.seed)
    texts = [f"user\n{problem.question}\nassistant\n{careful(problem)}" for problem in problems]
    tokenizer = build_tokenizer([SYSTEM, *texts])
    model = build_model(tokenizer, args.seed)
    warm_start(model, tokenizer, args.seed)
    tokenizer.save_pretrained(args.to / "tiny")
    model.save_pretrained(args.to / "tiny")


if __name__ == "__main__":
    main()
