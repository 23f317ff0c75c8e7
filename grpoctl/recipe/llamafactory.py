"""What do LLaMA-Factory's users bring that a recipe does not take, and what do they use instead?"""

# The problem of keys that have no "off".
ALWAYS_DECIDED = "is decided for you"

# The problem, the fix, and the keys that both are for. Off (false or null), each is what grpoctl does anyway.
_REFUSED: tuple[tuple[str, str, str], ...] = (
    (
        "is not taken here",
        "use reward_funcs",
        "reward_model reward_model_adapters reward_model_quantization_bit reward_model_type",
    ),
    (
        "is the model itself here, frozen, with the weight pref_beta",
        "take it out",
        """
        ref_model ref_model_adapters ref_model_quantization_bit sync_ref_model ref_model_mixup_alpha
        ref_model_sync_steps
        """,
    ),
    (
        "belongs to DPO",
        "take it out",
        "pref_loss pref_ftx pref_bco_weight dpo_label_smoothing simpo_gamma ld_alpha",
    ),
    (
        "belongs to KTO",
        "take it out",
        "kto_chosen_weight kto_rejected_weight",
    ),
    (
        "belongs to PPO, and GRPO has no critic",
        "take it out",
        "ppo_buffer_size ppo_epochs ppo_score_norm ppo_target ppo_whiten_rewards",
    ),
    (
        "belongs to supervised fine-tuning, and GRPO draws its own completions",
        "take it out",
        """
        packing neat_packing train_on_prompt mask_history ignore_pad_token_for_loss use_dft_loss use_asft_loss
        asft_alpha use_eaft_loss eaft_alpha compute_accuracy predict_with_generate neftune_noise_alpha
        label_smoothing_factor use_packed_sequences calculate_per_token_loss group_by_length
        """,
    ),
    (
        "belongs to an optimiser that is not here",
        "use optim: adamw_torch",
        """
        use_galore galore_target galore_rank galore_update_interval galore_scale galore_proj_type
        galore_layerwise use_apollo apollo_target apollo_rank apollo_update_interval apollo_scale apollo_proj
        apollo_proj_type apollo_scale_type apollo_layerwise apollo_scale_front use_badam badam_mode
        badam_start_block badam_switch_mode badam_switch_interval badam_update_ratio badam_mask_mode
        badam_verbose use_muon use_adam_mini
        """,
    ),
    (
        "belongs to a way of fine-tuning that is not here",
        "use finetuning_type: lora without it",
        """
        loraplus_lr_ratio loraplus_lr_embedding pissa_init pissa_iter pissa_convert create_new_adapter
        use_llama_pro module_dropout oft_rank oft_block_size oft_target freeze_trainable_layers
        freeze_trainable_modules freeze_extra_modules mixture_of_depths
        """,
    ),
    (
        "belongs to Megatron, which is not here",
        "use deepspeed, or engine: maxtext with mesh",
        """
        use_mca tensor_model_parallel_size pipeline_model_parallel_size expert_model_parallel_size
        context_parallel_size virtual_pipeline_model_parallel_size sequence_parallel recompute_granularity
        recompute_method recompute_num_layers account_for_embedding_in_pipeline_split
        account_for_loss_in_pipeline_split bias_activation_fusion apply_rope_fusion masked_softmax_fusion
        cross_entropy_loss_fusion moe_grouped_gemm moe_token_dispatcher_type use_distributed_optimizer
        overlap_param_gather overlap_grad_reduce mixed_precision megatron_pretrained_checkpoint
        export_hf_on_finish extra_config use_hyper_parallel hyper_parallel_args
        """,
    ),
    (
        "belongs to KTransformers, which is not here",
        "take it out",
        """
        use_kt kt_weight_path kt_expert_checkpoint_path kt_use_lora_experts kt_lora_expert_num
        kt_lora_expert_intermediate_size kt_optimize_rule cpu_infer chunk_size mode kt_maxlen kt_use_cuda_graph
        kt_mode kt_force_think
        """,
    ),
    (
        "is for pictures, sound or video, and grpoctl trains on text alone",
        "take it out",
        """
        media_dir image_max_pixels image_min_pixels image_do_pan_and_scan crop_to_patches video_max_pixels
        video_min_pixels video_fps video_maxlen use_audio_in_video audio_sampling_rate freeze_vision_tower
        freeze_multi_modal_projector freeze_language_model train_mm_proj_only
        """,
    ),
    (
        "swaps kernels, and those of PyTorch and JAX are used as they are",
        "take it out",
        """
        use_unsloth use_unsloth_gc enable_liger_kernel use_liger_kernel use_liger_loss shift_attn use_v1_kernels
        torch_compile
        """,
    ),
    (
        "belongs to Ray, which is not here",
        "use nproc_per_node",
        """
        ray_run_name ray_storage_path ray_storage_filesystem ray_num_workers resources_per_worker
        placement_strategy ray_init_kwargs
        """,
    ),
    (
        "is not taken here, where data sets are read whole",
        "use max_samples to read less",
        "streaming buffer_size tokenized_path preprocessing_batch_size data_shared_file_system disable_shuffling",
    ),
    (
        "is not taken here",
        "use mix_strategy alone",
        "interleave_probs",
    ),
    (
        "is not taken here",
        "use grpoctl eval",
        """
        do_predict do_eval task task_dir lang n_shot save_dir download_mode eval_num_beams
        eval_on_each_dataset eval_on_start early_stopping_steps load_best_model_at_end metric_for_best_model
        greater_is_better
        """,
    ),
    (
        "is not taken here",
        "use grpoctl ask to talk to a model",
        """
        infer_backend infer_dtype use_kv_cache offload_folder sglang_maxlen sglang_mem_fraction sglang_tp_size
        sglang_config sglang_lora_backend
        """,
    ),
    (
        "is not taken here, where rollouts draw plain samples",
        "take it out",
        "num_beams length_penalty skip_special_tokens repetition_penalty",
    ),
    (
        "is not taken here",
        "use max_completion_length",
        "max_length",
    ),
    (
        "is not taken here",
        "use bf16, or fp16 on older GPUs",
        """
        pure_bf16 fp8 fp8_backend fp8_enable_fsdp_float8_all_gather upcast_layernorm upcast_lmhead_output tf32
        bf16_full_eval
        """,
    ),
    (
        "is not taken here",
        "use the model's own tokenizer and embeddings",
        """
        resize_vocab add_tokens add_special_tokens new_special_tokens_config init_special_tokens
        split_special_tokens         """,
    ),
    (
        "is not taken here",
        "use the model's own configuration",
        "rope_scaling moe_aux_loss_coef train_from_scratch model_max_length",
    ),
    (
        ALWAYS_DECIDED,
        "take it out",
        """
        low_cpu_mem_usage use_fast_tokenizer use_reentrant_gc quantization_device_map device_map compute_dtype
        print_param_status
        include_effective_tokens_per_second include_num_input_tokens_seen remove_unused_columns disable_tqdm
        logging_first_step logging_strategy dataloader_pin_memory save_safetensors save_strategy
        ddp_find_unused_parameters vllm_max_lora_rank vllm_config lr_scheduler_kwargs local_rank block_diag_attn
        use_cpu no_cuda log_completions num_completions_to_print log_unique_prompts shuffle_dataset
        dataloader_drop_last average_tokens_across_devices full_determinism auto_find_batch_size
        ds3_gather_for_generation pad_to_multiple_of use_cache ignore_data_skip log_level
        """,
    ),
    (
        "is not taken here yet",
        "give it to torchrun",
        "master_addr master_port nnodes node_rank",
    ),
    (
        "is a secret, and recipes are shared",
        "set it in your environment",
        """
        hf_hub_token ms_hub_token om_hub_token hub_token swanlab_api_key swanlab_lark_secret
        swanlab_lark_webhook_url
        """,
    ),
    (
        "is not taken here",
        "use report_to: swanlab",
        "use_swanlab swanlab_project swanlab_workspace swanlab_run_name swanlab_mode swanlab_logdir",
    ),
    (
        "is not taken here",
        "use export_hub_model_id with grpoctl export",
        "push_to_hub hub_model_id hub_strategy hub_private_repo",
    ),
    (
        "is not taken here, where exports are not quantised",
        "take it out",
        """
        export_quantization_bit export_quantization_dataset export_quantization_nsamples
        export_quantization_maxlen
        """,
    ),
    (
        "is not taken here, where safetensors is the only format written",
        "take it out",
        "export_legacy_format",
    ),
    (
        "is not taken here, where prompts have no tools",
        "take it out",
        "tool_format",
    ),
    (
        "is not taken here",
        "use enable_thinking",
        "preserve_thinking",
    ),
    (
        "is not taken here",
        "use adapter_name_or_path",
        "adapter_folder",
    ),
    (
        "is not taken here",
        "use fsdp: full_shard",
        "fsdp_config fsdp_transformer_layer_cls_to_wrap",
    ),
    (
        "is for profiling, which is not a recipe's business",
        "take it out",
        """
        profile_modules enable_torch_profiler profiler_output_dir profiler_wait_steps profiler_warmup_steps
        profiler_active_steps profiler_repeat profiler_record_shapes profiler_profile_memory profiler_with_stack
        """,
    ),
)

REFUSED: dict[str, tuple[str, str]] = {
    name: (problem, fix) for problem, fix, names in _REFUSED for name in names.split()
}

# Values of theirs that a key here does not take.
INSTEAD_VALUES: dict[tuple[str, str], str] = {
    **{
        ("stage", stage): "use stage: grpo; supervised and preference training stay with LLaMA-Factory"
        for stage in ("pt", "sft", "rm", "dpo", "kto")
    },
    ("finetuning_type", "freeze"): "use finetuning_type: lora, or full",
    ("finetuning_type", "oft"): "use finetuning_type: lora, or full",
    ("finetuning_type", "qlora"): "use finetuning_type: lora with quantization_bit: 4",
    ("finetuning_type", "none"): "use finetuning_type: lora, or full",
    **{
        ("quantization_method", method): "use quantization_method: bnb; this one is not here"
        for method in ("gptq", "awq", "aqlm", "quanto", "eetq", "hqq", "mxfp4", "fp8")
    },
    **{
        ("loss_type", loss): "use loss_type: dapo, or another of grpo, bnpo, dr_grpo, gspo"
        for loss in ("cispo", "sapo", "luspo", "vespo")
    },
    ("mix_strategy", "interleave_once"): "use interleave_under",
}

_TEMPLATES = """
    alpaca aquila atom baichuan baichuan2 bailing bailing_v2 belle bluelm breeze chatglm2 chatglm3 chatml chatml_de
    codegeex2 codegeex4 cohere cpm cpm3 cpm4 dbrx deepseek deepseek3 deepseekcoder deepseekr1 default dots_ocr empty
    ernie ernie_nothink ernie_vl exaone falcon falcon_h1 fewshot gemma gemma2 gemma3 gemma3n glm4 glm4_5v glm4_moe
    glm4v glmz1 gpt_oss granite3 granite3_vision granite4 hunyuan index intern intern2 intern_s1 intern_vl keye_vl
    kimi_vl llama2 llama2_zh llama3 llama4 llava llava_next llava_next_llama3 llava_next_mistral llava_next_qwen
    llava_next_video llava_next_video_mistral llava_next_video_yi llava_next_yi marco mimo mimo_v2 mimo_vl minicpm_o
    minicpm_v minimax1 minimax2 ministral ministral3 mistral mistral_small mllama moonlight olmo openchat
    openchat-3.6 opencoder orion paligemma paligemma_chat phi phi4 phi_small pixtral qwen qwen2_audio qwen2_omni
    qwen2_vl qwen3 qwen3_nothink qwen3_omni qwen3_omni_nothink qwen3_vl qwen3_vl_nothink sailor seed_coder seed_oss
    skywork_o1 smollm smollm2 solar starchat telechat telechat2 vicuna video_llava xuanyuan xverse yayi yi yi_vl
    yuan zephyr ziya
"""

# LLaMA-Factory's template names: a recipe may carry one, the tokenizer's own chat template is what renders.
TEMPLATES: frozenset[str] = frozenset(_TEMPLATES.split())
