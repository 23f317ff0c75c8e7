"""The loss pass that computes each prompt once gives what TRL's own pass gives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
trl_utils = pytest.importorskip("trl.trainer.utils")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from support import SMALL

from grpoctl import shipped
from grpoctl.engines.trl.log_probs import can_share_prompts, completion_log_probs
from grpoctl.engines.trl.rollout import core_of
from grpoctl.job import make_job
from grpoctl.plan import plan_new
from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import Stream
from grpoctl.run.stop import StopRequest


def model_with_head(kind: str, temperature: float) -> Any:
    model = transformers.AutoModelForCausalLM.from_pretrained(shipped.MODELS["tiny"])
    if kind == "lora":
        torch.manual_seed(0)
        config = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        model = peft.get_peft_model(model, config)
    trl_utils.add_fused_lm_head(core_of(model), temperature=temperature, outputs=("log_probs", "entropy"))
    return model


def batch(cut_off: bool) -> tuple[Any, ...]:
    """Three prompts of 5, 9 and 7 tokens, four completions of 1 to 6 tokens each, in mixed order."""
    rng = torch.Generator().manual_seed(1)
    order = torch.tensor([0, 1, 2, 0, 2, 1, 1, 0, 2, 0, 1, 2])
    lengths = torch.tensor([5, 9, 7])[order]
    # The first prompt begins with the pad token itself, as a prompt may.
    texts = torch.randint(3, 390, (3, 9), generator=rng)
    texts[0, 4] = 0
    prompt_mask = (torch.arange(9) >= 9 - lengths[:, None]).long()
    prompts = texts[order] * prompt_mask
    completion_mask = (torch.arange(6) < torch.tensor([6, 1, 4, 3, 6, 2, 5, 1, 6, 2, 3, 4])[:, None]).long()
    completions = torch.randint(3, 390, (12, 6), generator=rng) * completion_mask
    if cut_off:  # mask_truncated_completions leaves whole completions out
        completion_mask[[0, 4]] = 0
    return prompts, prompt_mask, completions, completion_mask


def plain(model: Any, prompts: Any, prompt_mask: Any, completions: Any, completion_mask: Any) -> tuple[Any, Any]:
    """What TRL does: every row whole."""
    ids, mask = torch.cat([prompts, completions], 1), torch.cat([prompt_mask, completion_mask], 1)
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, : prompts.shape[1]] = -100
    outputs = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
    return outputs.log_probs[:, -completions.shape[1] :], outputs.entropy[:, -completions.shape[1] :]


def gradients(model: Any, log_probs: Any, mask: Any) -> Any:
    model.zero_grad()
    weights = torch.linspace(-1, 1, len(mask))[:, None]  # a step has answers to raise and answers to lower
    (log_probs * mask * weights).sum().backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def again(model: Any, *given: Any) -> tuple[Any, Any]:
    """The pass of a training with gradient checkpointing."""
    inner = getattr(model, "module", model)  # inside of what sends its gradients
    core_of(inner).gradient_checkpointing_enable({"use_reentrant": False})
    inner.train()
    inner.enable_input_require_grads()
    assert can_share_prompts(inner, computed_again=True)
    return completion_log_probs(model, core_of(inner), *given, computed_again=True)


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("cut_off", [False, True])
@pytest.mark.parametrize("computed_again", [False, True])
def test_values_and_gradients_are_those_of_the_plain_pass(
    kind: str, temperature: float, cut_off: bool, computed_again: bool
) -> None:
    model, given = model_with_head(kind, temperature), batch(cut_off)
    mask = given[3]
    expected, expected_entropy = plain(model, *given)
    expected_gradients = gradients(model, expected, mask)
    log_probs, entropy = again(model, *given) if computed_again else completion_log_probs(model, core_of(model), *given)
    assert entropy is not None
    assert torch.allclose(log_probs * mask, expected * mask, atol=1e-5)
    assert torch.allclose(entropy * mask, expected_entropy * mask, atol=1e-5)
    difference = gradients(model, log_probs, mask) - expected_gradients
    assert float(difference.norm() / expected_gradients.norm()) < 1e-5


def family(kind: str) -> Any:
    """A random model of another kind, with TRL's head."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = transformers.AutoConfig.for_model(kind, vocab_size=400, intermediate_size=48, pad_token_id=0, **sizes)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    trl_utils.add_fused_lm_head(model, temperature=1.0, outputs=("log_probs", "entropy"))
    return model


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma", "phi3", "olmo2", "granite"])
@pytest.mark.parametrize("computed_again", [False, True])
def test_other_kinds_of_models_share_prompts_too(kind: str, computed_again: bool) -> None:
    model, given = family(kind), batch(False)
    expected, _ = plain(model, *given)
    expected_gradients = gradients(model, expected, given[3])
    log_probs, _ = again(model, *given) if computed_again else completion_log_probs(model, model, *given)
    assert torch.allclose(log_probs * given[3], expected * given[3], atol=1e-5)
    difference = gradients(model, log_probs, given[3]) - expected_gradients
    assert float(difference.norm() / expected_gradients.norm()) < 1e-5


def test_what_is_computed_again_keeps_less_and_leaves_the_model_as_it_was() -> None:
    """Of each layer its input alone, and the prompts' keys and values once, not once for each completion."""
    kept: list[list[int]] = []
    for computed_again in (False, True):
        model, given = model_with_head("full", 1.0), batch(False)
        sizes: list[int] = []

        def keep(tensor: Any, sizes: list[int] = sizes) -> Any:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            again(model, *given) if computed_again else completion_log_probs(model, model, *given)
        kept.append(sizes)
    assert sum(kept[1]) < 0.5 * sum(kept[0])
    assert all("forward" not in layer.__dict__ and layer.gradient_checkpointing for layer in model.model.layers)


def test_two_processes_send_the_gradients_of_the_plain_pass(tmp_path: Path) -> None:
    script = Path(__file__).with_name("shared_in_two.py")
    words = [sys.executable, str(script)]
    running = [
        subprocess.Popen([*words, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    told = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert [len(each.splitlines()) for each in told] == [5, 5]
    for line in "".join(told).splitlines():
        gradients_apart, log_probs_apart, norm = map(float, line.split())
        assert gradients_apart < 1e-5 and log_probs_apart < 1e-5 and norm > 1


def test_prompts_of_one_token_have_nothing_to_share() -> None:
    model, given = model_with_head("full", 1.0), batch(False)
    given = (given[0][:, -1:], given[1][:, -1:], *given[2:])
    expected, _ = plain(model, *given)
    log_probs, _ = completion_log_probs(model, core_of(model), *given)
    assert torch.allclose(log_probs * given[3], expected * given[3], atol=1e-5)


def test_each_prompt_is_computed_once() -> None:
    model, given = model_with_head("full", 1.0), batch(False)
    rows: list[int] = []
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    completion_log_probs(model, model, *given)
    assert rows == [3, 12]


def test_a_sliding_window_shares_no_prompts() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.MistralConfig(vocab_size=400, num_key_value_heads=1, sliding_window=8, **sizes)
    assert not can_share_prompts(transformers.AutoModelForCausalLM.from_config(config))
    assert can_share_prompts(transformers.AutoModelForCausalLM.from_pretrained(shipped.MODELS["tiny"]))


def test_padding_does_not_count_for_learned_positions_where_prompts_are_not_shared(tmp_path: Path) -> None:
    """TRL's own pass counts it, so loss and rollout would be of two models."""
    import shutil

    from grpoctl.engines.trl.train import build

    config = transformers.GPT2Config(vocab_size=400, n_positions=128, n_embd=32, n_layer=2, n_head=2)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path / "gpt2")
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(shipped.MODELS["tiny"] / file, tmp_path / "gpt2" / file)
    words = [
        *SMALL, f"model_name_or_path={tmp_path / 'gpt2'}", f"output_dir={tmp_path / 'run'}", "finetuning_type=full",
    ]  # fmt: skip
    plan = plan_new("quickstart", words)
    trainer, _ = build(make_job(plan, RunDirectory(tmp_path / "run"), Stream(), None, StopRequest()))
    trainer._shares_prompts = False
    prompts, prompt_mask, completions, completion_mask = batch(False)
    ids, mask = torch.cat([prompts, completions], 1), torch.cat([prompt_mask, completion_mask], 1)
    trainer.model.eval()  # GPT-2 has dropout
    with torch.no_grad():
        got, _, _ = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, completions.shape[1])
        for row in range(len(ids)):
            alone = ids[row][mask[row] == 1][None]
            count = int(completion_mask[row].sum())
            scores = model.eval()(input_ids=alone).logits[0, -count - 1 : -1].log_softmax(-1)
            expected = scores.gather(-1, alone[0, -count:, None])[:, 0]
            assert torch.allclose(got[row, :count], expected, atol=1e-4)
