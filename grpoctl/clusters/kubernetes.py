"""How is a training started on Kubernetes? An indexed Job, one pod a machine; a headless Service names the first."""

from typing import Any

import yaml

from grpoctl.clusters import PORT, Job, command_of
from grpoctl.errors import Finding, InputError

SUBMIT = ("kubectl", "create", "-f", "-")

_RECIPES, _RUNS = "/recipe", "/runs"


def text_of(job: Job) -> str:
    """The manifest: the recipe, the Service where there are several machines, and the Job."""
    if job.image is None:
        raise InputError(Finding("is missing", "name an image that has grpoctl", file="--image"))
    if job.nodes > 1 and job.claim is None:
        fix = f"name a volume claim that all pods may write, mounted at {_RUNS}"
        raise InputError(Finding(f"is missing, and {job.nodes} machines share one run folder", fix, file="--claim"))
    parts = [_recipe(job), *([_service(job)] if job.nodes > 1 else []), _job(job)]
    return str(yaml.dump_all(parts, Dumper=_Lines, sort_keys=False, allow_unicode=True))


class _Lines(yaml.SafeDumper):
    """A recipe is read line by line, by people too."""


def _as_lines(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Lines.add_representer(str, _as_lines)


def _recipe(job: Job) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": job.name},
        "data": {"recipe.yaml": job.recipe_text},
    }


def _service(job: Job) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": job.name},
        # Pods ask for the first one's address before it says that it is ready.
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"job-name": job.name}},
    }


def _job(job: Job) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "completionMode": "Indexed",
        "completions": job.nodes,
        "parallelism": job.nodes,
        "backoffLimit": 0,  # a run goes on by --resume, not by starting it again
        "template": {"spec": _pod(job)},
    }
    if job.minutes is not None:
        spec["activeDeadlineSeconds"] = 60 * job.minutes
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job.name}, "spec": spec}


def _pod(job: Job) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "recipe", "configMap": {"name": job.name}},
        # Processes share batches through it, and a pod's own 64 MB are soon full.
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
    ]
    mounts = [{"name": "recipe", "mountPath": _RECIPES}, {"name": "shm", "mountPath": "/dev/shm"}]
    if job.claim is not None:
        volumes.append({"name": "runs", "persistentVolumeClaim": {"claimName": job.claim}})
        mounts.append({"name": "runs", "mountPath": _RUNS})
    container: dict[str, Any] = {
        "name": "train",
        "image": job.image,
        "command": command_of(job, f"{_RECIPES}/recipe.yaml"),
        "env": _environment(job),
        "volumeMounts": mounts,
    }
    if job.gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": job.gpus}}
    # Time for a step to end and a checkpoint to be written.
    pod: dict[str, Any] = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 180}
    return {**pod, "subdomain": job.name, "containers": [container], "volumes": volumes}


def _environment(job: Job) -> list[dict[str, Any]]:
    values = {"GRPOCTL_RUNS": _RUNS} if job.claim is not None else {}
    if job.nodes > 1:
        values |= {"MASTER_ADDR": f"{job.name}-0.{job.name}", "MASTER_PORT": str(PORT)}
    index = {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}
    rank = {"name": "NODE_RANK", "valueFrom": {"fieldRef": index}}
    return [*({"name": name, "value": value} for name, value in values.items()), rank]
