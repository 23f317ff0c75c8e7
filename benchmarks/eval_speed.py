"""How fast is a greedy evaluation beside transformers' own generate, and are the answers the same?

    python benchmarks/eval_speed.py [--problems 1000] [--rounds 3] [--threads 2] [--model tiny]

The same prompts in the same float32 model: grpoctl's sampler with the batches that it chooses itself, and generate in
batches of 16, 64 and 256, its prompts sorted by length as well. All in one process, in turn; a ratio is generate's
seconds by grpoctl's, the median over the rounds.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the engine has it, read as torch loads

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpoctl.engines.base import load_engine
from grpoctl.evaluate import batches, how_to_ask
from grpoctl.problems import eval_problems
from grpoctl.targets import find_target


def by_generate(model: object, tokenizer: object, prompts: Sequence[str], size: int, room: int) -> list[str]:
    answers = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        inputs = tokenizer(  # type: ignore[operator]
            [prompts[place] for place in part], return_tensors="pt", padding=True, add_special_tokens=False
        )
        with torch.no_grad():
            ids = model.generate(**inputs, max_new_tokens=room, do_sample=False)  # type: ignore[attr-defined]
        texts = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)  # type: ignore[attr-defined]
        for place, text in zip(part, texts, strict=True):
            answers[place] = text
    return answers


def timed(call: Callable[[], list[str]]) -> tuple[float, list[str]]:
    began = time.perf_counter()
    answers = call()
    return time.perf_counter() - began, answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="tiny")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    changes = ["eval_dataset=tiny_arithmetic", f"num_threads={args.threads}", "max_completion_length=40"]
    target, reading = find_target(args.model, changes)
    problems = eval_problems(reading, target.recipe, "eval")[1][: args.problems]
    prompts = [problem.prompt for problem in problems]
    engine = load_engine("trl")
    assert engine is not None
    sampler = engine.open(target.recipe, target.base, None)
    how = how_to_ask(target.recipe, sampler, problems, "greedy")
    parts = [[problem for problem, _ in part] for part in batches(problems, how)]

    def ours() -> list[str]:
        answers = [""] * len(prompts)
        for part in parts:
            drawn = sampler.sample([prompts[place] for place in part], target.recipe.eval_modes.greedy, 0)
            for place, completion in zip(part, drawn, strict=True):
                answers[place] = completion.text
        return answers

    tokenizer = AutoTokenizer.from_pretrained(target.base, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(target.base).eval()
    room = target.recipe.max_completion_length or 0
    sizes = (16, 64, 256)
    seconds: dict[str, list[float]] = {name: [] for name in ("grpoctl", *map(str, sizes))}
    same = 0.0
    for number in range(args.rounds + 1):
        took, answers = timed(ours)
        found = {"grpoctl": took}
        for size in sizes:
            found[str(size)], theirs = timed(lambda size=size: by_generate(model, tokenizer, prompts, size, room))  # type: ignore[misc]
            same = sum(one == other for one, other in zip(answers, theirs, strict=True)) / len(prompts)
        if number:  # the first warms up
            for name, value in found.items():
                seconds[name].append(value)
    ratios = {
        str(size): round(
            statistics.median(a / b for a, b in zip(seconds[str(size)], seconds["grpoctl"], strict=True)), 2
        )
        for size in sizes
    }
    print(
        json.dumps(
            {
                "problems": len(prompts),
                "threads": args.threads,
                "rows_at_once": how.rows_at_once,
                "problems_per_s": round(len(prompts) / statistics.median(seconds["grpoctl"])),
                "generate_per_s": {size: round(len(prompts) / statistics.median(seconds[str(size)])) for size in sizes},
                "ratio": ratios,
                "same_answers": same,
            }
        )
    )


if __name__ == "__main__":
    main()
