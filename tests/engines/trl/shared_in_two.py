"""One of two processes: are loss and gradients the same where prompts are shared as where they are not?

    python tests/engines/trl/shared_in_two.py RANK MEETING_FILE

For each kind of training it prints the norm of the gradients' difference over that of the gradients, the largest
difference of a log-probability, and the norm, for a step of two micro-steps of which the second alone sends its
gradients.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from engines.trl.test_log_probs import again, batch, model_with_head, plain
from torch.nn.parallel import DistributedDataParallel

from grpoctl.engines.trl.log_probs import completion_log_probs
from grpoctl.engines.trl.rollout import core_of


def step(rank: int, kind: str, shared: bool, find_unused: bool) -> tuple[Any, Any]:
    model = model_with_head(kind.partition(" ")[0], 0.9)
    wrapped = DistributedDataParallel(model, find_unused_parameters=find_unused)
    said = []
    for micro_step in range(2):
        given = tuple(part[rank * 6 : rank * 6 + 6].roll(micro_step, 0) for part in batch(False))
        with wrapped.no_sync() if micro_step == 0 else nullcontext():
            if shared and kind.endswith("again"):
                log_probs, _ = again(wrapped, *given)
            elif shared:
                log_probs, _ = completion_log_probs(wrapped, core_of(model), *given)
            else:
                log_probs, _ = plain(wrapped, *given)
            mask = given[3]
            (log_probs * mask * torch.linspace(-1, 1, len(mask))[:, None]).sum().backward()
        said.append((log_probs * mask).detach())
    return said, torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def main() -> None:
    rank, meeting = int(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
    # Where layers are computed again, transformers lets DDP look for no unused weights.
    for kind, find_unused in (
        ("full", True),
        ("lora", True),
        ("lora", False),
        ("full again", False),
        ("lora again", False),
    ):
        one, expected = step(rank, kind, shared=False, find_unused=find_unused)
        other, gradients = step(rank, kind, shared=True, find_unused=find_unused)
        apart = max(float((first - second).abs().max()) for first, second in zip(one, other, strict=True))
        print(float((gradients - expected).norm() / expected.norm()), apart, float(expected.norm()))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
