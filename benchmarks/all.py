"""Every ratio that this project promises, measured in one go: what was asked, what came out?

    python benchmarks/all.py [--data FOLDER]     writes docs/benchmarks.md, 25 minutes on two quiet cores
    python benchmarks/all.py --only step_time    one of them, printed alone

Each row comes from a script of this folder, run as its command says, one after the other. DATA is a folder of MNIST's
IDX files; without one the digits that scikit-learn brings stand in, for which nothing was asked.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
_HEAD = """# What was promised, and what comes out

Written by `make bench` on {day}: {machine}; {load:.1f} processes wanted to run as it began.
All in one go, each script as its command says, ratios of pairs that were measured in turns. Timings are of this machine
on this day. What is kept (`--kept`) was measured before ([log.md](log.md)).
Of a GPU: [benchmarks_gpu.md](benchmarks_gpu.md).

| what | asked | measured | by |
|---|---|---|---|
"""

Row = tuple[str, str, str]  # what, asked, measured


@dataclass(frozen=True)
class Bench:
    """A script with its words, and the rows that its output comes to."""

    words: str
    rows: Callable[[str], Iterator[Row]]

    @property
    def name(self) -> str:
        return self.words.split()[0]


def _documents(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def _rewards(output: str) -> Iterator[Row]:
    for found in _documents(output):
        bare = "math-verify" if found["reward"] == "math" else "regular expression and float()"
        yield f"{found['reward']} on {found['texts']}: speed beside a bare {bare}", "0.8 or more", f"{found['ratio']:g}"


def _evals(output: str) -> Iterator[Row]:
    for found in _documents(output):
        threads = f"{found['threads']} thread{'s' * (found['threads'] > 1)}"
        ratio = found["ratio"]
        yield f"greedy evaluation beside generate in batches of 16, {threads}", "3 or more", f"{ratio['16']:g}"
        yield f"beside the best of its batches of 16, 64, 256, {threads}", "1.2 or more", f"{min(ratio.values()):g}"
        yield "the same answers", "0.999 or more", f"{found['same_answers']:g}"


def _steps(output: str) -> Iterator[Row]:
    for found in _documents(output):
        threads = f"{found['threads']} thread{'s' * (found['threads'] > 1)}"
        told = f"{found['ratio']:g} ({found['grpoctl_s']:g} of {found['plain_s']:g} s)"
        yield f"a step beside plain TRL's, {found['finetuning_type']}, {threads}", "0.75 or less", told


def _shared(output: str) -> Iterator[Row]:
    for line in output.splitlines():
        cells = re.split(r"\s{2,}", line.strip())
        if len(cells) == 6 and re.fullmatch(r"[\d.]+", cells[5]):
            what = f"loss of a group with its prompt computed once, {cells[0]}, activations {cells[1]}, {cells[2]}"
            yield what, "pays", cells[5]


def _quickstart(output: str) -> Iterator[Row]:
    told = re.findall(r"^\d+ of \d+ reached.*$", output, re.MULTILINE)
    yield (
        "quickstart, seeds 0 to 4, LoRA and full: 0.90 within 120 s of steps",
        "10 of 10",
        told[-1].split(" reached")[0],
    )


def _scan(output: str) -> Iterator[Row]:
    for found in _documents(output):
        told = f"{found['ratio']:g} ({found['scan_s']:g} of {found['eager_s']:g} s)"
        yield "an epoch of 60,000 digits as one scan beside an eager loop", "5 or more", told


def _digits(output: str) -> Iterator[Row]:
    for recipe, mean, lowest in re.findall(r"^(\w+): test mean ([\d.]+), lowest ([\d.]+)$", output, re.MULTILINE):
        asked = "0.93, 0.92" if recipe == "mnist_grpo" else "–"
        yield f"{recipe}, likeliest answer on test digits, seeds 0 to 4: mean, lowest", asked, f"{mean}, {lowest}"


def _jax(output: str) -> Iterator[Row]:
    for found in _documents(output):
        told = f"{found['ratio']:g} ({found['second_s']:g} of {found['first_s']:g} s)"
        yield "a second start on JAX beside the first, to the end of step 1", "0.5 or less", told


def _memory(output: str) -> Iterator[Row]:
    (told,) = re.findall(r"^(\d+) cases: mean error ([\d.]+)%, largest ([\d.]+)%", output, re.MULTILINE)
    yield (
        f"estimate beside {told[0]} measured peaks on a CPU: largest error",
        "15% or less",
        f"{told[2]}% (mean {told[1]}%)",
    )


def _times(output: str) -> Iterator[Row]:
    ratios = sorted(float(each) for each in re.findall(r"x (\d+\.\d+)", output))
    yield (
        f"estimate beside {len(ratios)} measured step times, which it was fitted to",
        "–",
        f"{ratios[0]} to {ratios[-1]}",
    )


_PAGE_ASKED = {
    "command to first view": "8 or less",
    "page opened": "2.5 or less",
    "form edit": "0.5 or less",
    "10,000 steps": "1.5 or less",
    "and its points": "300 or less",
    "core": "0.30 or less",
    "MiB": "300 or less",
}


def _page(output: str) -> Iterator[Row]:
    for line in output.splitlines():
        what, _, value = line.rpartition("  ")
        if what.strip() and re.fullmatch(r"[\d.]+", value.strip()):
            asked = next((asked for part, asked in _PAGE_ASKED.items() if part in what), "–")
            yield f"the page: {what.strip()}", asked, value.strip()


BENCHES = (
    Bench("reward_speed.py", _rewards),
    Bench("eval_speed.py --threads 1", _evals),
    Bench("step_time.py", _steps),
    Bench("shared_prompts.py", _shared),
    Bench("jax_start.py", _jax),
    Bench("mnist_speed.py", _scan),
    Bench("mnist_seeds.py", _digits),
    Bench("quickstart_seeds.py", _quickstart),
    Bench("memory.py --kept", _memory),
    Bench("step_phases.py --kept", _times),
    Bench("webui_speed.py", _page),
)


def measure(bench: Bench, more: list[str]) -> list[tuple[str, str, str, str]]:
    """Its rows with the command that they come from; one that says so where it fails."""
    words = [*bench.words.split(), *more]
    done = subprocess.run([sys.executable, str(HERE / words[0]), *words[1:]], capture_output=True, text=True)
    command = f"python benchmarks/{' '.join(bench.words.split())}"
    try:
        rows = list(bench.rows(done.stdout))
    except (ValueError, KeyError, IndexError):
        rows = []
    if not rows:
        last = (done.stderr.strip().splitlines() or ["it printed nothing that is known"])[-1]
        rows = [(bench.name, "–", f"failed: {last[:120]}")]
    return [(*row, command) for row in rows]


def machine() -> str:
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) or ["a CPU"]
    return f"{len(os.sched_getaffinity(0))} cores of {names[0].strip()}, no GPU"


def page(rows: list[tuple[str, str, str, str]], load: float) -> str:
    lines = [*_HEAD.format(day=f"{date.today():%-d %B %Y}", machine=machine(), load=load).splitlines()]
    before = ""
    for what, asked, found, command in rows:
        lines.append(f"| {what} | {asked} | {found} | {f'`{command}`' if command != before else '″'} |")
        before = command
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder of MNIST's IDX files")
    parser.add_argument("--only", nargs="+", help="names of scripts; nothing is written then")
    args = parser.parse_args()
    load, rows = os.getloadavg()[0], []
    for bench in BENCHES:
        if args.only and bench.name.removesuffix(".py") not in args.only:
            continue
        more = ["--data", args.data] if args.data and bench.name == "mnist_seeds.py" else []
        for row in measure(bench, more):
            rows.append(row)
            print(f"{row[0]}: {row[2]} (asked {row[1]})", flush=True)
    if not args.only:
        PAGE.write_text(page(rows, load), encoding="utf-8")


if __name__ == "__main__":
    main()
