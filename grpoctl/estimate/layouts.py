"""What would the same training take on so many devices, split in each way that the engine has?"""

from dataclasses import dataclass, replace

from grpoctl.estimate.devices import Device
from grpoctl.estimate.layout import layout_of
from grpoctl.estimate.memory import Memory, memory_of
from grpoctl.estimate.shapes import shape_of
from grpoctl.recipe.keys.devices import Mesh
from grpoctl.recipe.schema import Recipe

# How the weights are trained: the keys of each.
TRAININGS: dict[str, dict[str, object]] = {
    "full": {"finetuning_type": "full", "quantization_bit": None},
    "LoRA": {"finetuning_type": "lora", "quantization_bit": None},
    "QLoRA": {"finetuning_type": "lora", "quantization_bit": 4},
}


@dataclass(frozen=True)
class Row:
    """One way to split, and what each training takes on a device under it."""

    name: str
    by_training: dict[str, Memory]


def all_layouts(recipe: Recipe, device: Device, prompt_tokens: int, devices: int) -> list[Row]:
    """For a resolved recipe, with its own numbers but for the layout."""
    rows = _meshes(devices) if recipe.engine != "trl" else _zero_stages(devices)
    return [
        Row(
            name,
            {
                training: _memory(recipe.model_copy(update=changes | keys), device, prompt_tokens, stage)
                for training, keys in TRAININGS.items()
            },
        )
        for name, changes, stage in rows
    ]


_Stage = tuple[int, bool, bool]
_Split = tuple[str, dict[str, object], _Stage | None]


def _zero_stages(devices: int) -> list[_Split]:
    rows: list[_Split] = [("copies on each device (DDP)", {"nproc_per_node": devices, "deepspeed": None}, None)]
    for stage in (0, 1, 2, 3):
        changes: dict[str, object] = {"nproc_per_node": devices, "deepspeed": "z3" if stage == 3 else "z2"}
        rows.append((f"ZeRO-{stage}", changes, (stage, False, False)))
        if stage:
            rows.append((f"ZeRO-{stage}, optimiser offloaded", changes, (stage, True, False)))
        if stage == 3:
            rows.append((f"ZeRO-{stage}, weights offloaded too", changes, (stage, True, True)))
    return rows


def _meshes(devices: int) -> list[_Split]:
    splits = [(devices // tensor, tensor) for tensor in range(1, devices + 1) if devices % tensor == 0]
    return [
        (f"fsdp {fsdp} x tensor {tensor}", {"mesh": Mesh.model_construct(fsdp=fsdp, tensor=tensor)}, None)
        for fsdp, tensor in splits
    ]


def _memory(recipe: Recipe, device: Device, prompt_tokens: int, stage: _Stage | None) -> Memory:
    shape = shape_of(recipe)
    layout = layout_of(recipe, shape, on_cpu=device.kind == "cpu", prompt_tokens=prompt_tokens)
    if stage is not None:
        zero, optimiser, weights = stage
        layout = replace(layout, zero=zero, offloads_optimiser=optimiser, offloads_weights=weights)
    return memory_of(shape, layout, device.memory)
