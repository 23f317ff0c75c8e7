"""Does the quickstart reach 0.90 within 120 s of training, whatever the seed, with LoRA and with every weight?

    python benchmarks/quickstart_seeds.py [--seeds 0 1 2 3 4] [--only lora]

Each line is one run of `grpoctl train`: greedy accuracy on the held-out problems before and after, and the seconds of
its steps.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

KINDS = {"lora": [], "full": ["finetuning_type=full", "learning_rate=2.0e-4"]}


def run(kind: str, seed: int, folder: Path) -> dict[str, object]:
    overrides = [f"seed={seed}", "report_to=none", f"output_dir={folder}", *KINDS[kind]]
    command = [sys.executable, "-m", "grpoctl", "train", "quickstart", *overrides]
    subprocess.run(command, check=True, capture_output=True)
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    steps = [event for event in events if event["event"] == "step_logged"]
    before, after = (event["accuracy"] for event in events if event["event"] == "eval_finished")
    seconds = round(sum(step["step_time_s"] for step in steps), 1)
    threads = json.loads((folder / "recipe.resolved.json").read_text(encoding="utf-8"))["num_threads"]
    return {
        "finetuning_type": kind, "seed": seed, "before": before, "after": after, "seconds": seconds, "threads": threads,
        "reached": after >= 0.9 and seconds <= 120,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", choices=list(KINDS))
    args = parser.parse_args()
    reached = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in [args.only] if args.only else KINDS:
            for seed in args.seeds:
                result = run(kind, seed, Path(folder) / f"{kind}-{seed}")
                reached.append(result["reached"])
                print(json.dumps(result), flush=True)
    print(f"{sum(map(bool, reached))} of {len(reached)} reached 0.90 within 120 s")
    if not all(reached):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
