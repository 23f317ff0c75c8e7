"""On how many devices does it run, and how is the work laid out on them?"""

from typing import Literal

from grpoctl.recipe.keys.base import Keys, Switch, Word, Words, key


class Mesh(Keys):
    """Shape of a device mesh of the JAX engines."""

    fsdp: int = key(1, ge=1, le=65536)
    """Ways in which weights and prompts are split over devices."""

    tensor: int = key(1, ge=1, le=65536)
    """Ways in which each layer is split over devices."""


class DeviceKeys(Keys):
    """Devices"""

    nproc_per_node: int = key(1, ge=1, le=1024)
    """Processes of the TRL engine on each machine, one a GPU; more than one starts torchrun. Left out: the
    environment's NPROC_PER_NODE, else 1."""

    nnodes: int = key(1, ge=1, le=65536)
    """Machines that train one run on the TRL engine, each by the same command; output_dir has to be a folder that all
    of them see. Left out: NNODES, else 1."""

    node_rank: int = key(0, ge=0, le=65535)
    """Which of them this one is; 0 leads. Left out: NODE_RANK, else 0."""

    master_addr: Word | None = key(None)
    """Name or address of machine 0, where the others find it. Left out: MASTER_ADDR."""

    master_port: int | None = key(None, ge=1, le=65535)
    """The port there. Left out: MASTER_PORT, else 29500; on one machine, any that is free."""

    num_threads: int | None = key(None, ge=1, le=1024)
    """CPU threads of each process. Left out: OMP_NUM_THREADS, else as many as a short trial finds fastest; the resolved
    recipe holds the number, and a resumed run keeps it."""

    deepspeed: Word | None = key(None)
    """DeepSpeed for the TRL engine: z0, z2, z3, z3-offload, or the path of a configuration file."""

    fsdp: Literal["full_shard", "shard_grad_op"] | None = key(None)
    """FSDP2 for the TRL engine: every process keeps a part of weights, gradients and optimiser (full_shard), or keeps
    the weights whole from a forward pass to its backward pass (shard_grad_op): faster, with more memory."""

    ddp_timeout: int = key(1800, ge=1, le=1_000_000_000)
    """Seconds one process waits for the others. After a sixth of them a line says for whom and what that one is at, and
    at the end of them the run."""

    mesh: Mesh = key(Mesh.model_construct())
    """Device mesh of the JAX engines: `{fsdp: 4, tensor: 2}` for 8 devices."""

    rollout_mesh: Mesh | None = key(None)
    """A mesh of its own for rollouts; left out, they share the trainer's."""

    attention: Literal["autoselected", "dot_product", "flash"] = key("autoselected")
    """Attention kernel of engine maxtext."""

    remat: Literal["none", "minimal", "full", "custom"] | None = key(None)
    """What the JAX engines compute again in the backward pass instead of keeping it: nothing, little, everything, or
    everything but what remat_offload names. Left out: none with disable_gradient_checkpointing, else full."""

    skip_jax_distributed_system: Switch = key(True)
    """Run on this host's devices alone. false joins the hosts that were started together (jax.distributed), each by the
    same command."""

    profile_steps: int = key(0, ge=0, le=1000)
    """Steps of which JAX's profiler writes a trace into the run's profile/, from the third on; 0 writes none."""

    remat_offload: Words = key(())
    """Activations kept in host memory under `remat: custom`, such as `decoder_layer_input,query_proj`."""
