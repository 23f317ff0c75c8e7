"""What would one write for the quickstart without grpoctl? TRL as its documentation shows it, with settings for a CPU.

    python benchmarks/plain_trl.py [--full] [--steps 80] [--seed 0]

Sensible settings for a CPU are bf16 off (half as fast here) and gradient checkpointing off (TRL's default costs 16%).
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

DATA = Path(__file__).parents[1] / "data"


def accuracy_reward(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    texts = [completion[0]["content"] for completion in completions]
    said = [text.rpartition("</answer>")[0].rpartition("<answer>")[2].strip() for text in texts]
    return [float(one == gold) for one, gold in zip(said, answer, strict=True)]


def format_reward(completions: list[Any], **_: Any) -> list[float]:
    texts = [completion[0]["content"] for completion in completions]
    tags = ("<reasoning>", "</reasoning>", "<answer>", "</answer>")
    return [float(all(tag in text for tag in tags)) for text in texts]


def build(folder: str, *, lora: bool, steps: int, seed: int) -> GRPOTrainer:
    """The trainer for the quickstart's recipe: 16 prompts x 8 completions a step."""
    model = str(DATA / "tiny")
    rows = json.loads((DATA / "tiny_arithmetic_train.json").read_text(encoding="utf-8"))
    prompts = [[{"role": "user", "content": row["instruction"]}] for row in rows]
    arguments = GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=128,
        num_generations=8,
        max_completion_length=40,
        learning_rate=2e-3 if lora else 2e-4,
        lr_scheduler_type="constant",
        max_steps=steps,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        seed=seed,
        disable_tqdm=True,
    )
    adapters = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    return GRPOTrainer(
        model=model,
        reward_funcs=[accuracy_reward, format_reward],
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": prompts, "answer": [row["output"] for row in rows]}),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=adapters if lora else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="train every weight")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", default="saves/plain_trl")
    args = parser.parse_args()
    trainer = build(args.to, lora=not args.full, steps=args.steps, seed=args.seed)
    began = time.monotonic()
    trainer.train()
    print(f"{args.steps} steps in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
