"""How are completions drawn while training?"""

from typing import Literal

from grpoctl.recipe.keys.base import Keys, Switch, Word, key


class RolloutKeys(Keys):
    """Rollouts"""

    max_completion_length: int | None = key(None, ge=1, le=10_000_000, usual="256 to 4096 are usual", llamafactory=1024)
    """Longest completion in tokens. Left out: max_new_tokens, else 512."""

    max_new_tokens: int | None = key(None, ge=1, le=10_000_000)
    """LLaMA-Factory's name of max_completion_length."""

    temperature: float = key(1.0, gt=0, le=100, usual="0.7 to 1.2 are usual", llamafactory=0.95)
    """Sampling temperature. Answers of one group must differ, or none is better than another."""

    top_k: int = key(0, ge=0, le=10_000_000, usual="0 draws from all", llamafactory=50)
    """Draw from the k likeliest tokens; 0 draws from all."""

    top_p: float = key(1.0, gt=0, le=1, llamafactory=0.7)
    """Draw from the likeliest tokens that make up this share of the probability."""

    min_p: float | None = key(None, ge=0, le=1)
    """Leave out tokens less likely than this share of the likeliest one."""

    do_sample: Switch = key(True)
    """Draw at random. GRPO needs it: greedy answers to one prompt are all the same."""

    use_vllm: Switch = key(False)
    """Draw completions with vLLM: on a GPU beside or apart from the trainer, on a TPU as the rollout engine."""

    vllm_mode: Literal["colocate", "server"] = key("colocate")
    """vLLM in the training processes, or a server of its own (started with `trl vllm-serve`)."""

    vllm_gpu_util: float = key(0.3, gt=0, le=1, llamafactory=0.7)
    """Share of the device's memory that vLLM takes. Beside a trainer it has to leave room."""

    vllm_maxlen: int | None = key(None, ge=1, le=10_000_000)
    """Longest prompt and completion together that vLLM makes room for. Left out: what the recipe can need."""

    vllm_enforce_eager: Switch = key(False)
    """Run vLLM without CUDA graphs: slower, and less memory."""

    vllm_enable_sleep_mode: Switch = key(False)
    """Let vLLM give its memory back while the trainer works."""

    vllm_tensor_parallel_size: int = key(1, ge=1, le=1024)
    """Devices that share one copy of the model in vLLM."""

    vllm_server_host: Word = key("127.0.0.1")
    """Host of the vLLM server."""

    vllm_server_port: int = key(8000, ge=1, le=65535)
    """Port of the vLLM server."""

    vllm_server_timeout: float = key(240.0, gt=0, le=86_400)
    """Seconds to wait for the vLLM server to be up."""
