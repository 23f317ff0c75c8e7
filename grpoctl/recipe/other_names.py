"""Which keys of a recipe have another name in TRL, verl, MaxText and elsewhere?"""

# What to use, and the names that others have for it.
_OTHER_NAMES: tuple[tuple[str, str], ...] = (
    (
        "num_generations",
        "n num_samples group_num rollout_n group_size num_return_sequences G n_samples",
    ),
    (
        "pref_beta",
        "kl_loss_coef grpo_beta init_kl_coef beta kl_coef kl_coeff kl_beta",
    ),
    (
        "epsilon",
        "clip_ratio_low clip_range cliprange clip_eps clip_ratio eps_clip",
    ),
    (
        "epsilon_high",
        "clip_higher clip_ratio_high eps_clip_high",
    ),
    (
        "loss_type: gspo",
        "importance_sampling_level",
    ),
    (
        "entries with weight in reward_funcs: [{use: accuracy, weight: 2.0}]",
        "reward_weights",
    ),
    (
        "reward_funcs",
        "rewards reward_functions reward_fns reward",
    ),
    (
        "learning_rate",
        "lr",
    ),
    (
        "model_name_or_path",
        "model model_name base_model pretrained_model_name_or_path",
    ),
    (
        "lora_rank",
        "lora_dim lora_r r rank",
    ),
    (
        "lora_target",
        "lora_target_modules target_modules",
    ),
    (
        "additional_target",
        "modules_to_save",
    ),
    (
        "quantization_bit: 4",
        "load_in_4bit",
    ),
    (
        "quantization_bit: 8",
        "load_in_8bit",
    ),
    (
        "disable_gradient_checkpointing, which is its opposite",
        "gradient_checkpointing activation_checkpointing gradient_checkpointing_kwargs",
    ),
    (
        "per_device_train_batch_size, which counts prompts",
        "per_device_batch_size micro_batch_size train_batch_size",
    ),
    (
        "per_device_train_batch_size and gradient_accumulation_steps, which count prompts",
        "generation_batch_size steps_per_generation",
    ),
    (
        "vllm_gpu_util",
        "vllm_gpu_memory_utilization rollout_vllm_hbm_utilization gpu_memory_utilization",
    ),
    (
        "vllm_maxlen",
        "vllm_max_model_length vllm_max_model_len max_model_len",
    ),
    (
        "vllm_server_host and vllm_server_port",
        "vllm_server_base_url",
    ),
    (
        "flash_attn",
        "attn_implementation",
    ),
    (
        "dataset",
        "dataset_name train_dataset data_path",
    ),
    (
        "system_prompt",
        "system",
    ),
    (
        "num_train_epochs",
        "total_epochs epochs num_epochs",
    ),
    (
        "max_steps",
        "total_training_steps max_train_steps num_steps total_steps num_batches",
    ),
    (
        "max_grad_norm",
        "grad_clip gradient_clipping",
    ),
    (
        "save_total_limit",
        "max_to_keep",
    ),
    (
        "save_steps",
        "save_interval_steps",
    ),
    (
        "eval_strategy",
        "evaluation_strategy",
    ),
    (
        "output_dir",
        "logging_dir",
    ),
    (
        "seed",
        "data_seed",
    ),
    (
        "max_completion_length",
        "max_response_length response_length max_tokens total_generation_steps",
    ),
    (
        "lora_alpha",
        "alpha",
    ),
    (
        "per_device_train_batch_size, which counts prompts, not completions",
        "batch_size bs",
    ),
    (
        "gradient_accumulation_steps",
        "grad_accum gradient_accumulation accumulate_grad_batches",
    ),
    (
        "nproc_per_node",
        "gpus num_gpus n_gpus n_gpus_per_node num_processes",
    ),
    (
        "resume_from_checkpoint",
        "resume resume_mode",
    ),
    (
        "bf16",
        "torch_dtype dtype model_dtype precision",
    ),
    (
        "finetuning_type",
        "use_peft use_lora peft_type",
    ),
    (
        "quantization_bit",
        "load_in_kbit",
    ),
    (
        "tokenizer_name_or_path",
        "tokenizer tokenizer_name",
    ),
    (
        "scale_rewards",
        "norm_adv_by_std_in_grpo scale_advantages",
    ),
    (
        "stage: grpo",
        "adv_estimator algorithm_name",
    ),
    (
        "max_prompt_length and max_completion_length",
        "max_seq_length max_seq_len",
    ),
    (
        "template, or the tokenizer's own chat template",
        "chat_template",
    ),
    (
        "columns in dataset_info.json",
        "dataset_prompt_column prompt_key prompt_column answer_column dataset_text_field",
    ),
    (
        "subset in dataset_info.json",
        "dataset_config dataset_config_name",
    ),
    (
        "split in dataset_info.json",
        "dataset_split dataset_train_split",
    ),
)

OTHER_NAMES: dict[str, str] = {name: f"use {key}" for key, names in _OTHER_NAMES for name in names.split()}
