"""`grpoctl.estimate`: memory, time and money by arithmetic."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from grpoctl import shipped
from grpoctl.cli import main
from grpoctl.errors import ModelError
from grpoctl.estimate import Estimate, estimate, fits_on
from grpoctl.estimate.changes import ways_to_fit
from grpoctl.estimate.devices import GIB, NAMED, Device, device_of, named_device
from grpoctl.estimate.layouts import all_layouts
from grpoctl.estimate.network import critic_bytes, network_memory, parameters, step_s
from grpoctl.estimate.shapes import named_config, named_models, shape_from, shape_of
from grpoctl.estimate.time_words import duration, run_lines
from grpoctl.estimate.words import layout_lines
from grpoctl.machine import Machine
from grpoctl.recipe.load import read_recipe, read_recipe_text
from grpoctl.recipe.schema import Recipe

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def recipe(name: str = "qwen3_gsm8k", *overrides: str) -> Recipe:
    found = read_recipe(name, overrides).recipe
    assert found is not None
    return found.resolved()


def reckoned(*overrides: str, name: str = "qwen3_gsm8k", device: str = "h100", tokens: int = 256) -> Estimate:
    return estimate(recipe(name, *overrides), NAMED[device], tokens)


# --- shapes


def test_parameters_are_counted_exactly() -> None:
    # As the models' own cards and safetensors indices have them.
    published = {
        "Qwen/Qwen3-0.6B": 596_049_920,
        "Qwen/Qwen3-8B": 8_190_735_360,
        "Qwen/Qwen2.5-7B": 7_615_616_512,
        "meta-llama/Llama-3.1-8B": 8_030_261_248,
        "meta-llama/Llama-3.2-1B": 1_235_814_400,
    }
    counted = {name: shape_from(named_models()[name], name).parameters for name in published}
    assert counted == published
    tiny = shape_from(json.loads((shipped.MODELS["tiny"] / "config.json").read_text()), "tiny")
    # 400 x 128 embedded; 2 layers of 128 x (2 x 128 + 2 x 64 + 3 x 256) with norms of 2 x 128 + 2 x 32; the last norm
    assert tiny.parameters == 400 * 128 + 2 * (128 * (2 * 128 + 2 * 64 + 3 * 256) + 320) + 128


def test_adapters_are_counted_as_peft_makes_them() -> None:
    shape = shape_of(recipe("quickstart"))
    # rank 16: q, o: 128 + 128; k, v: 128 + 64; gate, up, down: 128 + 256; two layers
    assert shape.adapters(16, ("all",)) == 2 * 16 * (2 * 256 + 2 * 192 + 3 * 384) == 65_536
    assert shape.adapters(16, ("q_proj", "v_proj")) == 2 * 16 * (256 + 192)


def test_the_model_of_every_shipped_recipe_has_a_shape() -> None:
    for name in shipped.recipe_names():
        chosen = recipe(name)
        if chosen.hidden_sizes is None:
            assert shape_of(chosen).parameters > 0


def test_a_tuned_model_has_the_shape_of_the_one_it_was_made_from() -> None:
    assert named_config("meta-llama/Llama-3.1-8B-Instruct") == named_config("llama3.1-8b") != {}
    assert named_config("someone/Qwen2.5-7B-Instruct") == named_models()["Qwen/Qwen2.5-7B"]
    assert named_config("someone/else") is None


def test_an_unknown_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"^model_name_or_path: is some/model, whose config\.json is not here; fetch it"
    ):
        reckoned("model_name_or_path=some/model")
    for config, said in (
        ({"hidden_size": 8, "num_experts": 64}, "a mixture of 64 experts"),
        ({"n_embd": 768}, "has no vocab_size"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match=said) as raised:
            reckoned(f"model_name_or_path={tmp_path}")
        assert "\n" not in str(raised.value)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json; give a whole Hugging Face folder"):
        reckoned(f"model_name_or_path={tmp_path}")


def test_a_config_json_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(named_models()["Qwen/Qwen3-8B"]))
    assert reckoned(f"model_name_or_path={tmp_path}").total_gib == reckoned().total_gib


# --- memory


def test_the_total_is_the_sum_of_the_parts_at_the_fullest_moment() -> None:
    memory = reckoned().memory
    assert memory.total == sum(memory.parts.values()) == max(sum(parts.values()) for parts in memory.moments.values())


def test_weights_gradients_and_states_are_counted_to_the_byte() -> None:
    count = 8_190_735_360
    parts = reckoned("finetuning_type=full", "optim=adamw_torch_fused").memory.moments["update"]
    assert (parts["weights"], parts["reference"], parts["gradients"]) == (4 * count, 4 * count, 4 * count)
    assert parts["optimiser"] == pytest.approx(8 * count, rel=0.01) or parts["optimiser"] > 8 * count
    plain = reckoned("finetuning_type=full").memory.moments["update"]
    assert plain["optimiser"] == 12 * count  # torch's plain AdamW takes a root of all values at once
    lora = reckoned().memory.moments["update"]
    trained = reckoned().layout.trained
    assert (lora["weights"], lora["LoRA"], lora["gradients"]) == (2 * count, 4 * trained, 4 * trained)


def test_a_reference_is_kept_for_a_kl_term_alone_and_never_beside_adapters() -> None:
    assert reckoned("finetuning_type=full").memory.parts["reference"] > 0
    assert reckoned("finetuning_type=full", "pref_beta=0").memory.parts["reference"] == 0
    assert reckoned("pref_beta=0.04").memory.parts["reference"] == 0


def test_qlora_takes_less_than_lora_and_lora_less_than_full() -> None:
    totals = [
        reckoned(*keys).total_gib
        for keys in (("quantization_bit=4",), ("quantization_bit=8",), (), ("finetuning_type=full",))
    ]
    assert totals == sorted(totals)
    # 4 bits and a scale of 8 bits for each 64 values, whose own scales are float32 for each 256 of them
    in_linear = reckoned().shape.in_linear
    rest = 2 * (8_190_735_360 - in_linear)
    weights = reckoned("quantization_bit=4").memory.parts["weights"]
    assert weights == pytest.approx(in_linear * (0.5 + 1 / 64 + 4 / 16384) + rest)


def test_each_stage_of_zero_splits_more(tmp_path: Path) -> None:
    def parts(stage: int, offload: str = "none") -> dict[str, float]:
        file = tmp_path / "ds.json"
        zero = {"stage": stage, "offload_optimizer": {"device": offload}}
        file.write_text(json.dumps({"zero_optimization": zero}))
        keys = ("finetuning_type=full", "pref_beta=0", "optim=adamw_torch_fused", "nproc_per_node=4")
        return reckoned(*keys, f"deepspeed={file}").memory.moments["update"]

    count = 8_190_735_360
    whole, one, two, three = (parts(stage) for stage in range(4))
    assert (whole["weights"], whole["gradients"]) == (2 * count, 2 * count)  # DeepSpeed trains in 16 bits
    assert whole["optimiser"] >= 12 * count and one["optimiser"] < whole["optimiser"] / 3  # and keeps float32 beside
    assert (one["gradients"], two["gradients"]) == (2 * count, 2 * count / 4)
    assert two["weights"] == 2 * count and three["weights"] == pytest.approx(2 * count / 4 + 2 * 2 * count / 36)
    assert parts(2, "cpu")["optimiser"] == 0


def test_what_is_offloaded_is_in_the_hosts_memory() -> None:
    keys = ("finetuning_type=full", "nproc_per_node=4")
    assert reckoned(*keys, "deepspeed=z3").memory.host == 0
    offloaded = reckoned(*keys, "deepspeed=z3-offload").memory
    assert offloaded.host > 16 * 8_190_735_360 and offloaded.total < reckoned(*keys, "deepspeed=z3").memory.total


def test_a_mesh_splits_what_it_says() -> None:
    def update(mesh: str) -> dict[str, float]:
        keys = ("model_name_or_path=Qwen/Qwen3-8B", "engine=tunix", "pref_beta=0", f"mesh={mesh}", "use_vllm=false")
        return reckoned(*keys, "finetuning_type=full", device="v5p").memory.moments["update"]

    alone, tensor, both = update("{}"), update("{tensor: 8}"), update("{fsdp: 2, tensor: 4}")
    assert alone["weights"] == 8 * tensor["weights"] == 4 * 8_190_735_360
    assert both["optimiser"] == pytest.approx(tensor["optimiser"])


def test_checkpointing_and_smaller_micro_steps_save_activations() -> None:
    def kept(*keys: str) -> float:
        return reckoned("per_device_train_batch_size=4", *keys).memory.moments["backward"]["activations"]

    assert kept() < kept("disable_gradient_checkpointing=true") / 5
    assert kept("per_device_train_batch_size=1") == pytest.approx(kept() / 4)


def test_vllm_takes_its_share_and_lets_it_go_asleep() -> None:
    beside = reckoned("use_vllm=true").memory.moments
    assert beside["backward"]["vLLM"] == pytest.approx(0.3 * 79.6 * GIB)
    asleep = reckoned("use_vllm=true", "vllm_enable_sleep_mode=true").memory.moments
    assert (asleep["backward"]["vLLM"], asleep["rollout"]["KV cache"]) == (0, 0)
    assert reckoned("use_vllm=true", "vllm_mode=server").memory.parts["vLLM"] == 0
    assert reckoned("use_vllm=true", "vllm_gpu_util=0.1").vllm_lacks_gib == pytest.approx(15.26 - 7.96, abs=0.01)


def test_a_share_too_small_for_vllms_weights_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["estimate", "qwen3_gsm8k", "--device", "a100-40", "use_vllm=true"]
    assert main([*words, "vllm_gpu_util=0.2"]) == 0
    # 15.26 GiB of weights; 0.2 of 40 GiB
    assert "vLLM does not start: its share is 7.3 GiB too little" in capsys.readouterr().out
    assert main([*words, "vllm_gpu_util=0.4"]) == 0
    assert "does not start" not in capsys.readouterr().out


def test_other_optimisers_keep_other_states() -> None:
    def states(optim: str) -> float:
        return (
            reckoned("finetuning_type=full", f"optim={optim}").memory.moments["backward"]["optimiser"] / 8_190_735_360
        )

    assert [states(name) for name in ("adamw_torch", "adamw_8bit", "lion_32bit", "sgd")] == [8, 2, 4, 0]


def test_the_estimate_is_within_15_percent_of_what_trainings_took() -> None:
    pytest.importorskip("safetensors")
    specification = importlib.util.spec_from_file_location("memory_bench", BENCHMARKS / "memory.py")
    assert specification is not None and specification.loader is not None
    bench: Any = importlib.util.module_from_spec(specification)
    sys.modules["memory_bench"] = bench  # where dataclasses look for it
    specification.loader.exec_module(bench)
    kept = json.loads(bench.KEPT.read_text(encoding="utf-8"))
    validated = [case for case in bench.VALIDATION if case.name in kept]
    errors = {case.name: bench.compare(case, kept[case.name]["measured"])[4] for case in validated}
    assert len(errors) == 15  # nine on one process, six on two
    assert {name: error for name, error in errors.items() if abs(float(error.rstrip("%"))) > 15} == {}


# --- the documents and PPO


def test_the_documents_64_and_128_gb_are_weights_gradients_and_adam_in_16_bits() -> None:
    first, second, *_ = reckoned("model_name_or_path=meta-llama/Llama-3.1-8B").documents
    assert [first.grpo_gb, first.ppo_gb] == pytest.approx([64.2, 128.5], abs=0.1)
    assert second.grpo_gb == pytest.approx(2 * first.grpo_gb)  # in float32


def test_the_documents_40_to_60_gb_are_a_float32_base_or_vllm_beside_it() -> None:
    rows = reckoned(name="qwen2.5_7b_math_lora").documents[2:]
    assert ["bfloat16" in row.counts for row in rows] == [True, False, True]
    assert rows[0].grpo_gb < 40 and all(40 < row.grpo_gb < 60 for row in rows[1:])


def test_ppo_has_a_critic_beside_the_actor() -> None:
    found = reckoned("finetuning_type=full", "pref_beta=0", "optim=adamw_torch_fused")
    # 16 bytes a parameter more: weights 4, gradients 4, Adam 8
    assert (found.ppo_total_gib - found.total_gib) * GIB == pytest.approx(16 * 8_190_735_360, rel=0.2)
    assert reckoned().total_gib < reckoned().ppo_total_gib < 2 * reckoned().total_gib


def test_a_network_on_digits_is_counted_too() -> None:
    digits = read_recipe_text("hidden_sizes: [128, 128]\ndataset: digits\nengine: mlp\npref_beta: 0\n", "r").recipe
    assert digits is not None
    # 784 x 128 + 128, 128 x 128 + 128, 128 x 10 + 10; a critic has one output
    assert parameters(digits) == 118_282 and parameters(digits, outputs=1) == 117_121
    assert network_memory(digits).parts["optimiser"] == 8 * 118_282
    assert critic_bytes(digits) == 16 * 117_121


def test_the_critic_of_ppo_is_a_part_of_its_memory() -> None:
    ppo = network_memory(recipe("mnist_ppo"))
    assert ppo.parts["critic"] == 16 * 117_121
    assert ppo.total - ppo.parts["critic"] == network_memory(recipe("mnist_ppo", "stage=grpo")).total
    assert "critic" not in network_memory(recipe("mnist_grpo")).parts


def test_the_time_of_a_step_on_digits_is_near_what_was_measured() -> None:
    # Two cores of 0.103 TFLOP/s: mnist_grpo took 7.2 ms, mnist_document 3.4 and mnist_ppo 6.3 to 9.
    machine = Device("this machine", "cpu", 24.0, 0.206, 35.0, measured=True)
    for name, measured_s in (("mnist_grpo", 7.2e-3), ("mnist_document", 3.4e-3), ("mnist_ppo", 7.2e-3)):
        assert step_s(recipe(name), machine) == pytest.approx(measured_s, rel=0.15), name
    assert step_s(recipe("mnist_grpo"), NAMED["h100"]) is None


# --- devices, time, money


def test_devices_are_known_by_name_and_by_card() -> None:
    assert named_device("H100") == NAMED["h100"] and named_device("TPU v6e") == NAMED["v6e"]
    server = Machine("server", 16, 128.0, 500.0, ("NVIDIA A100-SXM4-40GB",), 0)
    device, here = device_of(recipe(), server)
    assert here and (device.name, device.memory_gib) == ("NVIDIA A100-SXM4-40GB", 40.0)
    laptop = Machine("laptop", 2, 8.0, 50.0, (), 0)
    assert device_of(recipe("quickstart"), laptop) == (Device("this machine", "cpu", 8.0), True)
    assert device_of(recipe(), laptop) == (NAMED["h100"], False)


def test_a_faster_device_takes_less_time_and_the_price_is_for_all_of_them() -> None:
    slow, fast = reckoned(device="a100").time, reckoned(device="h100").time
    assert slow is not None and fast is not None and fast.total < slow.total
    many = reckoned("nproc_per_node=4")
    assert many.time is not None and many.time.seconds["between devices"] > 0
    assert many.cost(2.0, 100) == pytest.approx(many.time.total * 100 * 4 * 2.0 / 3600)
    assert estimate(recipe(), Device("x", "gpu", 80.0), 256).time is None


def test_the_forward_pass_takes_two_operations_a_parameter_and_token() -> None:
    found = reckoned("model_name_or_path=Qwen/Qwen3-8B")
    assert found.time is not None
    # Eight prompts once, and the completions of each with its last token.
    tokens = 8 * 255 + 8 * 8 * 1025
    assert found.time.seconds["forward"] == pytest.approx(2 * 7.57e9 * tokens / (0.4 * 989e12), rel=0.1)


def test_no_kl_term_needs_no_reference_pass() -> None:
    without = reckoned("pref_beta=0").time
    assert without is not None and "reference" not in without.seconds


def test_the_time_of_a_step_on_a_cpu_is_near_what_trainings_took(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.syspath_prepend(BENCHMARKS)
    bench: Any = importlib.import_module("step_phases")
    kept = json.loads(bench.KEPT.read_text(encoding="utf-8"))
    ratios = {
        case.name: bench.estimated(case, kept[case.name])["whole"] / kept[case.name]["seconds"]["whole"]
        for case in bench.CASES
    }
    assert len(ratios) == 9 and {name: ratio for name, ratio in ratios.items() if not 0.65 < ratio < 1.5} == {}


def test_short_times_are_no_zeros() -> None:
    told = {0.0042: "4.2 ms", 0.275: "275 ms", 22.4: "22 s", 119.0: "119 s", 150.0: "2.5 min", 7300.0: "2 h"}
    assert {seconds: duration(seconds) for seconds in told} == told
    assert duration(4 * 86400) == "4 days"
    assert run_lines(0.3, 80, None) == ["80 steps: 24 s"] and run_lines(0.3, 1, None) == ["1 step: 300 ms"]


def test_a_run_whose_steps_are_not_known_is_priced_by_the_thousand() -> None:
    said = "the number of steps is not known, as the data is not here; per 1,000 steps: 2 h"
    assert run_lines(7.2, None, None) == [said]
    assert run_lines(7.2, None, 2.5, devices=4) == [f"{said}, 20.00 at 2.5 an hour x 4 devices"]


def test_the_table_of_layouts_says_what_its_columns_and_stars_are() -> None:
    said = "\n".join(layout_lines(all_layouts(recipe(), NAMED["h100"], 256, 4), 4, NAMED["h100"]))
    for words in ("split over 4 devices, the most that each holds", "full: every weight is trained; LoRA:",
                  "host's memory: what all devices offload", "*: does not fit the 79.6 GiB of H100"):  # fmt: skip
        assert words in said
    meshes = "\n".join(
        layout_lines(all_layouts(recipe("quickstart", "engine=tunix"), NAMED["v6e"], 256, 1), 1, NAMED["v6e"])
    )
    assert "split over 1 device," in meshes and "host" not in meshes and "*" not in meshes


def test_every_layout_is_a_row() -> None:
    rows = all_layouts(recipe(), NAMED["h100"], 256, 4)
    assert len(rows) == 9 and list(rows[0].by_training) == ["full", "LoRA", "QLoRA"]
    totals = [row.by_training["full"].total for row in rows]
    assert totals[0] == max(totals) and totals[-1] == min(totals)
    meshes = all_layouts(recipe("qwen3_8b_gsm8k_maxtext"), NAMED["v6e"], 256, 8)
    assert [row.name for row in meshes] == [
        "fsdp 8 x tensor 1", "fsdp 4 x tensor 2", "fsdp 2 x tensor 4", "fsdp 1 x tensor 8",
    ]  # fmt: skip


def test_devices_that_hold_it_are_named() -> None:
    held_by = fits_on(recipe(), 256, "gpu")
    assert "L4" not in held_by and {"A100 80GB", "H200"} <= set(held_by)


def test_a_card_that_cannot_compute_in_bf16_does_not_hold_such_a_recipe() -> None:
    tiny = ("quickstart", "bf16=true")
    assert "T4" not in fits_on(recipe(*tiny), 64, "gpu") and "T4" in fits_on(recipe("quickstart"), 64, "gpu")


def test_a_recipe_for_tpus_is_told_tpus_alone() -> None:
    assert fits_on(recipe("qwen3_8b_gsm8k_maxtext"), 256, "tpu") == ["TPU v5p", "TPU v6e"]


# --- what makes it fit


def test_the_smallest_change_that_makes_it_fit_comes_first() -> None:
    wide = recipe("qwen3_gsm8k", "disable_gradient_checkpointing=true")

    def fits(device: str) -> Any:
        return lambda changed: estimate(changed, NAMED[device], 256).fits is True

    assert not fits("h100")(wide)
    first, *_ = ways_to_fit(wide, fits("h100"), on_cpu=False)
    assert str(first) == "disable_gradient_checkpointing=false"
    assert all(
        fits("h100")(wide.model_copy(update=way.values)) for way in ways_to_fit(wide, fits("h100"), on_cpu=False)
    )
    assert ways_to_fit(wide, lambda changed: False, on_cpu=False) == []
