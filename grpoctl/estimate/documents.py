"""What do PPO and the documents' own figures come to, and what does each count?"""

from dataclasses import dataclass, replace

from grpoctl.estimate.layout import Layout
from grpoctl.estimate.memory import Memory, memory_of
from grpoctl.estimate.shapes import Shape

GB = 1e9
_CARD = 80 * GB
_LARGE = 1e9


@dataclass(frozen=True)
class Counted:
    """A figure in GB, for GRPO and where it differs for PPO, with what is in it."""

    what: str
    counts: str
    grpo_gb: float
    ppo_gb: float | None = None

    def as_json(self) -> dict[str, object]:
        ppo = None if self.ppo_gb is None else round(self.ppo_gb, 1)
        return {"what": self.what, "counts": self.counts, "grpo_gb": round(self.grpo_gb, 1), "ppo_gb": ppo}


def ppo_bytes(memory: Memory) -> float:
    """The same training with a critic as large as the actor, trained in the same way beside it: the documents' PPO.

    Its activations are not counted: actor and critic take their passes in turn.
    """
    return max(sum(parts.values()) + critic_bytes(memory, parts) for parts in memory.moments.values())


def critic_bytes(memory: Memory, parts: dict[str, float]) -> float:
    """Its weights, adapters and optimiser; its gradients where the actor's are there too."""
    adapters = min(moment["LoRA"] for moment in memory.moments.values())  # without the copy for a rollout
    return parts["weights"] + adapters + parts["gradients"] + parts["optimiser"]


def beside_the_documents(shape: Shape, layout: Layout) -> list[Counted]:
    """The documents' two figures, each counted on this model; none for a model that they would not speak of."""
    if shape.parameters < _LARGE:
        return []
    rows = [
        Counted(
            "the documents' 64 GB against 128 GB (8B)",
            "2 bytes of weights, 2 of gradients, 4 of Adam a parameter; no activations; PPO: a critic as large",
            8 * shape.parameters / GB,
            16 * shape.parameters / GB,
        ),
        Counted(
            "the same as it is trained here",
            "4 bytes of weights, 4 of gradients, 8 of Adam a parameter, which a rate of 1e-6 needs; no activations",
            16 * shape.parameters / GB,
            32 * shape.parameters / GB,
        ),
    ]
    if layout.trains_all or layout.jax:
        return rows
    claim = "the documents' 40 to 60 GB (7B, LoRA, 8 samples)"
    for name, width in {"bfloat16": 2, "float32": 4}.items():
        on_it = replace(layout, weight_bytes=width, hidden_bytes=width, linear_bytes=width, vllm=None)
        total = memory_of(shape, on_it).total
        counts = f"a {name} base, adapters and all parts of a step" + (", as TRL loads it by itself" * (width == 4))
        rows.append(Counted(claim, counts, total / GB))
    beside = layout.vllm_share * _CARD
    counts = f"the bfloat16 base, and vLLM beside it on {layout.vllm_share:.0%} of a card of 80 GB"
    rows.append(Counted(claim, counts, rows[-2].grpo_gb + beside / GB))
    return rows
