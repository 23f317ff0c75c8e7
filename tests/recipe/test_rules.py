"""One line a rule: what it refuses, and a recipe that it lets pass."""

import pytest

from grpoctl.recipe.load import read_recipe_text

GOOD = {"model_name_or_path": "tiny", "dataset": "a", "reward_funcs": "accuracy"}
MLP = {"dataset": "mnist"}


def said(text: str) -> list[str]:
    """`level key` of every finding of a recipe made right but for these lines."""
    given = {line.partition(":")[0] for line in text.splitlines()}
    good = MLP if given & {"hidden_sizes"} or "engine: mlp" in text else GOOD
    rest = "".join(f"{key}: {value}\n" for key, value in good.items() if key not in given)
    return [f"{f.level} {f.key}" for f in read_recipe_text(f"{text}\n{rest}", "r.yaml").findings]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("stage: ppo", "error stage"),
        ("engine: mlp", "error engine"),
        ("hidden_sizes: 8\nengine: trl\nmodel_name_or_path: tiny\nreward_funcs: accuracy", "error hidden_sizes"),
        ("model_name_or_path: gs://a/b\nengine: trl", "error engine"),
        ("model_name_or_path: gs://a/b\nmaxtext_model: x", "error tokenizer_name_or_path"),
        ("model_name_or_path: gs://a/b\ntokenizer_name_or_path: y", "error maxtext_model"),
        ("mesh: {fsdp: 2}", "error mesh"),
        ("engine: tunix\ndeepspeed: z3", "error deepspeed"),
        ("engine: tunix\nnproc_per_node: 2", "error nproc_per_node"),
        ("engine: tunix\nattention: flash", "error attention"),
        ("finetuning_type: full\nquantization_bit: 4", "error quantization_bit"),
        ("finetuning_type: full\nadapter_name_or_path: x", "error adapter_name_or_path"),
        ("finetuning_type: full\nlora_rank: 8", "warning lora_rank"),
        ("engine: tunix\nremat_offload: x", "error remat_offload"),
        ("engine: tunix\nremat: full\ndisable_gradient_checkpointing: true", "error remat"),
        ("remat: full\ndisable_gradient_checkpointing: true", "error remat"),
        ("use_vllm: true\nvllm_tensor_parallel_size: 2", "error vllm_tensor_parallel_size"),
        ("do_sample: false", "error do_sample"),
        ("top_k: 1", "error top_k"),
        ("temperature: 0.01", "warning temperature"),
        ("epsilon_high: 0.1", "error epsilon_high"),
        ("max_new_tokens: 5\nmax_completion_length: 6", "error max_new_tokens"),
        ("vllm_gpu_util: 0.5", "warning vllm_gpu_util"),
        ("deepspeed: z3", "warning deepspeed"),
        ("use_vllm: true\nvllm_maxlen: 100", "error vllm_maxlen"),
        ("bf16: true\nfp16: true", "error fp16"),
        ("max_steps: 0", "error max_steps"),
        ("warmup_ratio: 0.1\nwarmup_steps: 5", "error warmup_steps"),
        ("max_steps: 5\nwarmup_steps: 6", "error warmup_steps"),
        ("do_train: false", "warning do_train"),
        ("val_size: 1.5", "error val_size"),
        ("val_size: 0.1\neval_dataset: b", "error val_size"),
        ("val_size: 0.1\ndataset: a,b\nmix_strategy: interleave_over", "error val_size"),
        ("eval_strategy: epoch", "error eval_strategy"),
        ("eval_strategy: steps\nval_size: 0.1", "error eval_steps"),
        ("eval_steps: 5", "warning eval_steps"),
        ("resume_from_checkpoint: true", "error resume_from_checkpoint"),
        ("report_to: none,wandb", "error report_to"),
        ("engine: tunix\noptim: sgd", "error optim"),
        ("output_dir: x\nresume_from_checkpoint: y\noverwrite_output_dir: true", "error overwrite_output_dir"),
        ("answer_tag: think", "error answer_tag"),
        ("template: no_such_thing", "warning template"),
        ("template: qwen3_9", "warning template"),
        ("template: qwen99", "error template"),
        ("template: qwen3_nothink", "warning template"),
        ("min_p: 1", "warning min_p"),
        ("top_p: 0.001", "warning top_p"),
        ("learning_rate: 0.5", "warning learning_rate"),
        ("temperature: 5", "warning temperature"),
        ("pref_beta: 50", "warning pref_beta"),
        ("max_steps: 5\nnum_train_epochs: 2", "warning num_train_epochs"),
        ('system_prompt: "x"\ndefault_system: "y"', "warning default_system"),
        ("lr_scheduler_type: constant\nwarmup_ratio: 0.1", "warning warmup_ratio"),
        ("hidden_sizes: 8\nmodel_name_or_path: tiny", "warning model_name_or_path"),
        ("reward_funcs: accuracy,accuracy", "warning reward_funcs"),
        ("reward_funcs: [{use: accuracy, weight: 0}]", "warning reward_funcs"),
        ("eval_dataset: a", "warning eval_dataset"),
    ],
)
def test_a_contradiction_is_found_once_and_alone(text: str, finding: str) -> None:
    assert said(text) == [finding]


@pytest.mark.parametrize(
    "text",
    [
        "stage: ppo\nhidden_sizes: [8]",
        "engine: maxtext\nmesh: {fsdp: 2}\nremat: custom\nremat_offload: x",
        "engine: tunix\nquantization_bit: 8\nfinetuning_type: full",
        "engine: tunix\nnproc_per_node: 1",  # a default is no wish
        "epsilon_high: 0.28",
        "engine: tunix\nuse_vllm: true\nvllm_tensor_parallel_size: 8",
        "eval_dataset: null\nadapter_name_or_path: null",
        "max_new_tokens: 5\nmax_completion_length: 5",
        "use_vllm: true\nvllm_maxlen: 4096",
        "eval_strategy: no",
        "eval_strategy: steps\neval_steps: 5\nval_size: 200",
        "output_dir: x\nresume_from_checkpoint: true",
    ],
)
def test_what_goes_together_passes(text: str) -> None:
    assert said(text) == []
