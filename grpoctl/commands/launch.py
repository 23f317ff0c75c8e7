"""Write the job file of a training for Slurm or Kubernetes, and submit it on request.

  grpoctl launch my.yaml --on slurm --nodes 2 --gpus 8 --time 12:00:00 > job.sh
  grpoctl launch my.yaml max_steps=100 --on slurm --partition a100 --submit
  grpoctl launch my.yaml --on k8s --image registry/grpoctl --gpus 8 --to job.yaml

With several machines output_dir has to be a folder that all of them see.
Exit code 0 written, and submitted if asked, 1 it could not be, 2 the recipe or the arguments are wrong."""

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grpoctl.errors import Finding, GrpoctlError, InputError

if TYPE_CHECKING:
    from grpoctl.clusters import Job
    from grpoctl.recipe.schema import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file, or the name of a built-in recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="keys to change")
    parser.add_argument("--on", required=True, choices=("slurm", "k8s"), help="whose job file it is")
    parser.add_argument("--nodes", type=int, metavar="N", help="machines (default: nnodes of the recipe)")
    parser.add_argument("--gpus", type=int, metavar="N", help="GPUs of each (default: nproc_per_node); 0 for CPUs")
    parser.add_argument("--time", metavar="HH:MM:SS", help="the longest it may take; minutes alone do too")
    parser.add_argument("--cpus", type=int, metavar="N", help="CPUs of each process (default 8), under Slurm")
    parser.add_argument("--sbatch", action="append", default=[], metavar="WORD", help="a word more for #SBATCH")
    parser.add_argument("--partition", metavar="NAME", help="Slurm's partition")
    parser.add_argument("--image", metavar="IMAGE", help="Kubernetes: the image that has grpoctl")
    parser.add_argument("--claim", metavar="NAME", help="Kubernetes: the volume claim for run folders, at /runs")
    parser.add_argument("--to", metavar="FILE", help="write it there (default: standard output)")
    parser.add_argument("--submit", action="store_true", help="hand it to sbatch or kubectl")


def run(args: argparse.Namespace) -> int:
    from grpoctl.clusters import kubernetes, slurm

    text_of: Callable[[Job], str] = slurm.text_of if args.on == "slurm" else kubernetes.text_of
    submit_by = slurm.SUBMIT if args.on == "slurm" else kubernetes.SUBMIT
    text = text_of(_job(args))
    if args.submit and shutil.which(submit_by[0]) is None:
        raise GrpoctlError(
            f"{submit_by[0]}: is not on this machine; write the file by --to, and submit it where it is."
        )
    if args.to:
        _write(Path(args.to), text)
    said = _submit(submit_by, text) if args.submit else None
    if args.json:
        print(json.dumps({"on": args.on, "text": text, "file": args.to, "submitted": said}))
    elif said is not None:
        print(said)
    else:
        print(f"wrote {args.to}" if args.to else text, end="\n" if args.to else "")
    return 0


def _job(args: argparse.Namespace) -> "Job":
    from grpoctl.clusters import Job, job_name, minutes_of
    from grpoctl.recipe.load import find_recipe, load_recipe, read_recipe
    from grpoctl.recipe.schema import engine_of

    read = read_recipe(args.recipe, args.overrides).recipe
    if read is not None and engine_of(read) != "trl":
        said = f"is {engine_of(read)}, and launch starts engine trl's processes"
        raise InputError(Finding(said, "start the same command on each host by hand", key="engine", file=args.recipe))
    _refuse_what_the_cluster_says(args.recipe, read, args.overrides)
    recipe = load_recipe(args.recipe, [*args.overrides, *_placed(args), "master_addr=cluster"])
    return Job(
        name=job_name(args.recipe),
        recipe=args.recipe,
        recipe_text=find_recipe(args.recipe).read_text(encoding="utf-8"),
        overrides=tuple(word for word in args.overrides if word.partition("=")[0] not in ("nnodes", "nproc_per_node")),
        nodes=recipe.nnodes,
        gpus=recipe.nproc_per_node if args.gpus is None else args.gpus,
        processes=recipe.nproc_per_node,
        minutes=None if args.time is None else minutes_of(args.time),
        cpus=8 if args.cpus is None else args.cpus,
        sbatch=tuple(args.sbatch),
        partition=args.partition,
        image=args.image,
        claim=args.claim,
    )


def _refuse_what_the_cluster_says(file: str, read: "Recipe | None", overrides: Sequence[str]) -> None:
    """A recipe wins over the environment, by which each machine is told its place."""
    given = {word.partition("=")[0] for word in overrides}
    for key, default in (("node_rank", 0), ("master_addr", None), ("master_port", None)):
        if key in given or (read is not None and key in read.model_fields_set and getattr(read, key) != default):
            raise InputError(Finding("is for the cluster to say", "take it out", key=key, file=file))


def _placed(args: argparse.Namespace) -> list[str]:
    for name, least in (("nodes", 1), ("gpus", 0), ("cpus", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(Finding(f"is {value}", f"use {least} or more", file=f"--{name}"))
    nodes = [] if args.nodes is None else [f"nnodes={args.nodes}"]
    return nodes + ([f"nproc_per_node={args.gpus}"] if args.gpus else [])


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(Finding("is there already", "name another, or remove it", file=str(path))) from None
    except OSError as error:
        raise InputError(Finding(f"cannot be written ({error.strerror})", "name another", file=str(path))) from None


def _submit(command: Sequence[str], text: str) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().partition("\n")[0][:300].rstrip(".")
        raise GrpoctlError(f"{command[0]}: refuses the job ({reason or f'code {done.returncode}'}).")
    return done.stdout.strip()
