"""Reckon what a recipe takes: memory by part, time a step, and PPO beside GRPO.

  grpoctl estimate recipes/qwen2.5_7b_math_lora.yaml
  grpoctl estimate recipes/qwen3_gsm8k.yaml --device a100 --price 2.5 finetuning_type=full
  grpoctl estimate recipes/qwen3_gsm8k.yaml --layouts 8

Of the model its config.json is enough; those of the models that recipes often name come with grpoctl."""

import argparse
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from grpoctl.errors import Finding, InputError, RecipeError

if TYPE_CHECKING:
    from grpoctl.estimate import Estimate
    from grpoctl.estimate.devices import Device
    from grpoctl.estimate.layouts import Row
    from grpoctl.preflight import Preflight
    from grpoctl.recipe.schema import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file, or the name of a built-in recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="keys to change")
    parser.add_argument("--device", metavar="NAME", help="reckon for this device: h100, a100, rtx4090, v6e, cpu, …")
    parser.add_argument("--memory", type=float, metavar="GIB", help="reckon for a device of so much memory")
    parser.add_argument("--price", type=float, metavar="MONEY", help="of one device's hour, for the cost of the run")
    parser.add_argument("--layouts", type=int, metavar="N", help="also every way to split a model over N devices")


def run(args: argparse.Namespace) -> int:
    from grpoctl import preflight
    from grpoctl.estimate import estimate
    from grpoctl.machine import read_machine
    from grpoctl.preflight.memory import advice, longest_prompt
    from grpoctl.recipe.load import read_recipe

    _check_numbers(args)
    reading = read_recipe(args.recipe, args.overrides)
    if reading.recipe is None or reading.errors:
        raise RecipeError(reading.errors)
    recipe, machine = reading.recipe.resolved(), read_machine()
    # Of the data the longest prompt and the number of rows are wanted; what is wrong with it is for check.
    checked = preflight.check(reading, machine)
    _refuse_what_the_engine_refuses(recipe, checked)
    device, said = _device(args, recipe)
    steps = checked.plan.steps if checked.plan else None
    if recipe.hidden_sizes is not None:
        return _network(args, recipe, device, steps)
    tokens, source = longest_prompt(recipe, checked)
    found = estimate(recipe, device, tokens, steps)
    fix = advice(recipe, found, machine) if found.fits is False else None
    rows = _layouts(recipe, device, tokens, args.layouts)
    if args.json:
        print(json.dumps(_as_json(found, rows, args.price, fix) | {"prompt_tokens_from": source}))
        return 0
    from grpoctl.estimate.words import layout_lines, lines

    print("\n".join(lines(args.recipe, recipe, found, device_note=said, prompt_note=source, price=args.price, fix=fix)))
    if rows:
        print("\n".join(layout_lines(rows, args.layouts, device)))
    return 0


def _refuse_what_the_engine_refuses(recipe: "Recipe", checked: "Preflight") -> None:
    """A model or a key that check would not let through to the engine; what it would use is of no use to know."""
    from grpoctl.engines.base import load_engine

    refused = {(each.key, each.problem) for each in load_engine(recipe.engine).unsupported(recipe)}
    errors = [finding for finding in checked.errors if (finding.key, finding.problem) in refused]
    if errors:
        raise RecipeError(errors)


def _check_numbers(args: argparse.Namespace) -> None:
    for name in ("memory", "price", "layouts"):
        value = getattr(args, name)
        if value is not None and not 0 < value < 1e6:
            raise InputError(Finding(f"is {value:g}", "give a number above 0", key=f"--{name}"))


def _device(args: argparse.Namespace, recipe: "Recipe") -> "tuple[Device, str]":
    """The device to reckon for, and why it is that one."""
    from grpoctl.estimate.devices import Device, device_of, named_device
    from grpoctl.estimate.speed import measured_rates
    from grpoctl.machine import read_machine

    machine, here = read_machine(), False
    if args.device == "cpu":
        device, said = Device("this machine's CPU", "cpu", machine.memory_gib), "as --device says"
    elif args.device:
        device, said = named_device(args.device), "as --device says"
    else:
        device, here = device_of(recipe, machine)
        said = "as it is here" if here else "as none is here; --device names another"
    if args.memory:
        if not args.device and device.kind != "cpu" and not here:
            # Somebody's card of that size: the usual one's speed says nothing of it.
            device, said = Device(f"a {device.kind.upper()}", device.kind, None), "--device names one with its speed"
        device = replace(device, memory_gib=args.memory, given=True)
    if device.kind == "cpu":
        rates = measured_rates()
        if rates is not None:
            device = replace(device, tflops=rates[0] * machine.cpu_count, gb_per_s=rates[1], measured=True)
    return device, said


def _layouts(recipe: "Recipe", device: "Device", tokens: int, devices: int | None) -> "list[Row]":
    from grpoctl.estimate.layouts import all_layouts

    return all_layouts(recipe, device, tokens, devices) if devices else []


def _as_json(found: "Estimate", rows: "list[Row]", price: float | None, fix: str | None) -> dict[str, Any]:
    from grpoctl.estimate.devices import GIB

    seconds = found.time.seconds if found.time else None
    cost = found.cost(price, found.steps) if price and found.steps else None
    return {
        "model": found.shape.name,
        "parameters": found.shape.parameters,
        "trained": found.layout.trained,
        "device": {"name": found.device.name, "memory_gib": found.device.memory_gib, "count": found.layout.devices},
        "total_gib": round(found.total_gib, 3),
        "parts": _gib(found.memory.parts),
        "moments": {name: _gib(parts) for name, parts in found.memory.moments.items()},
        "host_gib": round(found.memory.host / GIB, 3),
        "all_devices_gib": round(found.total_gib * found.layout.devices, 3),
        "ppo_total_gib": round(found.ppo_total_gib, 3),
        "documents": [row.as_json() for row in found.documents],
        "fits": found.fits,
        "to_fit": fix,
        "prompt_tokens": found.layout.prompt_tokens,
        "completion_tokens": found.layout.completion_tokens,
        "step_s": round(found.time.total, 6) if found.time else None,
        "step_parts_s": {name: round(value, 6) for name, value in seconds.items()} if seconds else None,
        "rates": _rates(found),
        "steps": found.steps,
        "cost": None if cost is None else round(cost, 4),
        "cost_of_1000_steps": None if price is None or found.time is None else round(found.cost(price, 1000) or 0.0, 4),
        "layouts": {
            row.name: {name: round(memory.total / GIB, 3) for name, memory in row.by_training.items()} for row in rows
        },
    }


def _gib(parts: dict[str, float]) -> dict[str, float]:
    from grpoctl.estimate.devices import GIB

    return {name: round(size / GIB, 6) for name, size in parts.items()}


def _rates(found: "Estimate") -> str | None:
    if found.time is None:
        return None
    return "measured on one core, times the cores" if found.device.measured else "the maker's peaks"


def _network(args: argparse.Namespace, recipe: "Recipe", device: "Device", steps: int | None) -> int:
    """A network on digits, in bytes that nobody will miss."""
    from grpoctl.estimate.devices import GIB
    from grpoctl.estimate.network import critic_bytes, network_memory, parameters, step_s
    from grpoctl.estimate.words import network_lines

    if args.layouts:
        print("--layouts: says nothing here, as a network on digits trains on one device.", file=sys.stderr)
    memory, seconds = network_memory(recipe), step_s(recipe, device)
    if not args.json:
        print("\n".join(network_lines(args.recipe, recipe, memory, device, seconds, steps, args.price)))
        return 0
    ppo = memory.total + (0 if recipe.stage == "ppo" else critic_bytes(recipe))
    document = {
        "parameters": parameters(recipe),
        "critic_parameters": parameters(recipe, outputs=1),
        "total_gib": memory.total / GIB,
        "ppo_total_gib": ppo / GIB,
        "parts": {name: size / GIB for name, size in memory.parts.items()},
        "fits": True,
        "step_s": seconds,
        "steps": steps,
        "cost": None if None in (args.price, seconds, steps) else args.price * seconds * steps / 3600,
    }
    print(json.dumps(document))
    return 0
