"""How is a training started under Slurm? One task a machine, each of which starts its own processes."""

from shlex import quote

from grpoctl.clusters import PORT, Job, command_of

SUBMIT = ("sbatch",)

# Before the time is up, so that a step can end and a checkpoint be written.
_WARNED_S = 180


def text_of(job: Job) -> str:
    """The batch script."""
    asked = [
        f"--job-name={job.name}",
        f"--nodes={job.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={job.cpus * job.processes}",  # one task has all processes of a machine
        *([f"--gpus-per-node={job.gpus}"] if job.gpus else []),
        *([f"--time={job.minutes}"] if job.minutes is not None else []),
        *([f"--partition={job.partition}"] if job.partition is not None else []),
        f"--signal=TERM@{_WARNED_S}",
        "--output=%x-%j.log",
        *job.sbatch,
    ]
    command = " ".join(map(quote, command_of(job, job.recipe)))
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {quote(word)}" for word in asked),
        "",
        "set -euo pipefail",
    ]
    lines.append('export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"')  # which srun does not take over by itself
    if job.nodes > 1:
        first = 'MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"'
        # Jobs that share a machine must not meet at one port.
        lines += [first, f'export MASTER_ADDR MASTER_PORT="$(({PORT} + SLURM_JOB_ID % 10000))"']
    # Each machine reads its own number, so the words are expanded there and not here.
    start = """bash -c 'NODE_RANK="$SLURM_NODEID" exec "$@"' node"""
    lines += ["", f"srun --kill-on-bad-exit=1 {start} \\", f"  {command}"]
    return "\n".join(lines) + "\n"
