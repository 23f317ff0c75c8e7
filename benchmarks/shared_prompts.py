"""How much does it save to compute a group's prompt once, by the lengths of prompt and completion?

    python benchmarks/shared_prompts.py [--rounds 5] [--tokens 160] [--threads 1]

One process, in turns: a loss with its backward pass where each prompt is computed once, and one where it is computed
with every completion, on the same tokens. A round gives one pair of times; what is told is the median of the ratios.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, logging
from trl.trainer.utils import add_fused_lm_head

from grpoctl import shipped
from grpoctl.engines.trl.log_probs import completion_log_probs
from grpoctl.table import table

GROUP = 8
SHAPES = ((1, 4), (1, 1), (4, 1))  # prompt : completion


def tiny() -> Any:
    return AutoModelForCausalLM.from_pretrained(shipped.MODELS["tiny"])


def middle() -> Any:
    """About 30 million parameters, of random weights."""
    config = AutoConfig.for_model(
        "qwen3", vocab_size=16384, hidden_size=448, intermediate_size=1344, num_hidden_layers=9, num_attention_heads=7,
        num_key_value_heads=7, head_dim=64, tie_word_embeddings=True, pad_token_id=0,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)


MODELS: dict[str, Callable[[], Any]] = {"tiny": tiny, "middle": middle}


def tokens(prompt: int, completion: int, vocabulary: int) -> tuple[Any, ...]:
    """One group, as the trainer gives it: no padding, so that neither side is favoured."""
    chance = torch.Generator().manual_seed(0)
    prompts = torch.randint(3, vocabulary, (1, prompt), generator=chance).expand(GROUP, -1)
    completions = torch.randint(3, vocabulary, (GROUP, completion), generator=chance)
    return prompts, torch.ones_like(prompts), completions, torch.ones_like(completions)


def whole(model: Any, prompts: Any, prompt_mask: Any, completions: Any, mask: Any) -> Any:
    """TRL's own pass, every row with its prompt."""
    ids = torch.cat([prompts, completions], 1)
    labels = ids.clone()
    labels[:, : prompts.shape[1]] = -100
    outputs = model(
        input_ids=ids,
        attention_mask=torch.cat([prompt_mask, mask], 1),
        labels=labels,
        fused_lm_head=True,
        use_cache=False,
    )
    return outputs.log_probs[:, -completions.shape[1] :]


def seconds(model: Any, log_probs: Callable[[], Any]) -> float:
    began = time.perf_counter()
    log_probs().sum().backward()
    taken = time.perf_counter() - began
    model.zero_grad()
    return taken


def compare(model: Any, prompt: int, completion: int, rounds: int, again: bool) -> tuple[float, float, float]:
    given = tokens(prompt, completion, model.config.vocab_size)
    shared = lambda: completion_log_probs(model, model, *given, computed_again=again)[0]  # noqa: E731
    apart = lambda: whole(model, *given)  # noqa: E731
    pairs = []
    for number in range(rounds + 1):
        pair = [seconds(model, apart), seconds(model, shared)]
        if number:  # the first time also allocates
            pairs.append(pair)
    ratio = statistics.median(shared_s / apart_s for apart_s, shared_s in pairs)
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs), ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=160, help="of a prompt and a completion together")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    rows = [["model", "activations", "prompt : completion", "apart s", "shared s", "ratio"]]
    for name, make in MODELS.items():
        torch.manual_seed(0)
        model = make()
        add_fused_lm_head(model, temperature=1.0, outputs=("log_probs", "entropy"))
        model.train()
        for again in (False, True):
            if again:
                model.gradient_checkpointing_enable({"use_reentrant": False})
            for parts in SHAPES:
                prompt = args.tokens * parts[0] // sum(parts)
                found = compare(model, prompt, args.tokens - prompt, args.rounds, again)
                lengths = f"{parts[0]}:{parts[1]} ({prompt} : {args.tokens - prompt})"
                kept = "computed again" if again else "kept"
                rows.append([name, kept, lengths, *(f"{number:.3f}" for number in found[:2]), f"{found[2]:.2f}"])
    print("\n".join(table(rows, {3, 4, 5})))
    print(f"groups of {GROUP}, loss and backward pass, medians of {args.rounds} pairs, {args.threads} thread(s)")


if __name__ == "__main__":
    main()
