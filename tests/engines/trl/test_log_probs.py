"""The loss pass that computes each prompt once gives what TRL's own pass gives."""

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


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("cut_off", [False, True])
def test_values_and_gradients_are_those_of_the_plain_pass(kind: str, temperature: float, cut_off: bool) -> None:
    model, given = model_with_head(kind, temperature), batch(cut_off)
    mask = given[3]
    expected, expected_entropy = plain(model, *given)
    expected_gradients = gradients(model, expected, mask)
    log_probs, entropy = completion_log_probs(model, core_of(model), *given)
    assert entropy is not None
    assert torch.allclose(log_probs * mask, expected * mask, atol=1e-5)
    assert torch.allclose(entropy * mask, expected_entropy * mask, atol=1e-5)
    difference = gradients(model, log_probs, mask) - expected_gradients
    assert float(difference.norm() / expected_gradients.norm()) < 1e-5


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
        "disable_gradient_checkpointing=false",
    ]  # fmt: skip
    plan = plan_new("quickstart", words)
    trainer, _ = build(make_job(plan, RunDirectory(tmp_path / "run"), Stream(), None, StopRequest()))
    assert not trainer._shares_prompts
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
