"""Machines and rows that several tests stand on."""

from grpoctl.machine import Machine

LAPTOP = Machine("laptop", 2, 8.0, 50.0, (), 0)
GPU = Machine("server", 16, 128.0, 500.0, ("NVIDIA H200",), 0)

ROWS = [{"instruction": f"{n} + 1?", "input": "", "output": str(n + 1)} for n in range(10, 30)]

# Overrides of the quickstart for a training in no time: two prompts of four answers a step, four steps an epoch.
SMALL = (
    "max_steps=8",
    "save_steps=3",
    "per_device_train_batch_size=2",
    "num_generations=4",
    "max_completion_length=24",
    "max_samples=8",
    "num_threads=1",
    "eval_dataset=null",
    "report_to=none",
)


def small(engine: str) -> tuple[str, ...]:
    """The same on an engine; the number of threads is a key of trl's own."""
    of_its_own = SMALL if engine == "trl" else tuple(word for word in SMALL if not word.startswith("num_threads"))
    return (f"engine={engine}", *of_its_own)
