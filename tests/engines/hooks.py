"""Where does a test lay hands on an engine: to end it in mid-step, to spoil a number, to fill the disk?"""

import errno
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import pytest

from grpoctl.errors import GrpoctlError
from grpoctl.rewards.scoring import Scorer, Scores

FULL = OSError(errno.ENOSPC, "No space left on device")


class Hooks(Protocol):
    """The same for every engine. Steps and micro-steps count from 0."""

    def non_finite(self) -> type[GrpoctlError]:
        """What is raised where a loss or a gradient is no number."""
        ...

    def at_micro_step(self, patch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
        """Do something while that micro-step of this process is under way, before any step holds it."""
        ...

    def spoil_loss(self, patch: pytest.MonkeyPatch, step: int) -> None:
        """Let a step's loss be no number."""
        ...

    def spoil_gradient(self, patch: pytest.MonkeyPatch, step: int) -> None:
        """Let a step's gradient be infinite, and its loss a number."""
        ...

    def fill_disk(self, patch: pytest.MonkeyPatch, checkpoint: str) -> None:
        """Let the disk be full as the optimiser of that checkpoint is written."""
        ...

    def disturb(self) -> None:
        """Move the random numbers that a process has of its own: a new one has others."""
        ...


def break_reward(monkeypatch: pytest.MonkeyPatch, scores: Callable[..., Any]) -> None:
    """The reward `accuracy` as somebody else might have written it: right where the check tries it, and then not."""
    original = Scorer.score

    def score(self: Scorer, *args: Any) -> Scores:
        ready = self.rewards["accuracy"]
        self.rewards["accuracy"] = replace(ready, reward=replace(ready.reward, function=scores))
        return original(self, *args)

    monkeypatch.setattr(Scorer, "score", score)


class TrlHooks:
    def non_finite(self) -> type[GrpoctlError]:
        from grpoctl.engines.trl.trainer import NonFinite

        return NonFinite

    def at_micro_step(self, patch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
        from grpoctl.engines.trl.trainer import GroupTrainer

        step = GroupTrainer.training_step

        def hooked(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            if trainer._step == number:
                act()
            return step(trainer, *args, **kwargs)

        patch.setattr(GroupTrainer, "training_step", hooked)

    def spoil_loss(self, patch: pytest.MonkeyPatch, step: int) -> None:
        from grpoctl.engines.trl.trainer import GroupTrainer

        compute = GroupTrainer._compute_loss

        def sick(trainer: Any, model: Any, inputs: Any) -> Any:
            loss = compute(trainer, model, inputs)
            return loss * math.nan if trainer.state.global_step == step else loss

        patch.setattr(GroupTrainer, "_compute_loss", sick)

    def spoil_gradient(self, patch: pytest.MonkeyPatch, step: int) -> None:
        from grpoctl.engines.trl.trainer import GroupTrainer

        clip = GroupTrainer._clip_grad_norm

        def sick(trainer: Any, model: Any) -> Any:
            return clip(trainer, model) * (math.inf if trainer.state.global_step == step else 1)

        patch.setattr(GroupTrainer, "_clip_grad_norm", sick)

    def fill_disk(self, patch: pytest.MonkeyPatch, checkpoint: str) -> None:
        import torch

        save = torch.save

        def fills(value: Any, file: Any, *args: Any, **kwargs: Any) -> None:
            save(value, file, *args, **kwargs)
            if checkpoint in str(file) and "optimizer" in str(file):
                raise FULL

        patch.setattr(torch, "save", fills)

    def disturb(self) -> None:
        import torch

        torch.manual_seed(999)


class TunixHooks:
    def non_finite(self) -> type[GrpoctlError]:
        from grpoctl.engines.tunix.learner import NonFinite

        return NonFinite

    def at_micro_step(self, patch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
        from grpoctl.engines.tunix.learner import _Quiet

        taken = _Quiet._post_process_train_step

        def hooked(trainer: Any, told: Any) -> None:
            if trainer._iter_steps == number:
                act()
            taken(trainer, told)

        patch.setattr(_Quiet, "_post_process_train_step", hooked)

    def spoil_loss(self, patch: pytest.MonkeyPatch, step: int) -> None:
        from grpoctl.engines.tunix.learner import GroupLearner

        update = GroupLearner.update

        def sick(learner: Any, number: int, examples: Any) -> Any:
            if number == step:
                examples = [each.replace(advantages=each.advantages * math.nan) for each in examples]
            return update(learner, number, examples)

        patch.setattr(GroupLearner, "update", sick)

    def spoil_gradient(self, patch: pytest.MonkeyPatch, step: int) -> None:
        from grpoctl.engines.tunix import learner
        from grpoctl.engines.tunix.optimiser import gradient_norm, set_rate

        rates: list[float] = []  # one for each step

        def counting(optimiser: Any, rate: float) -> None:
            rates.append(rate)
            set_rate(optimiser, rate)

        def sick(optimiser: Any) -> float:
            return gradient_norm(optimiser) * (math.inf if len(rates) == step + 1 else 1)

        patch.setattr(learner, "set_rate", counting)
        patch.setattr(learner, "gradient_norm", sick)

    def fill_disk(self, patch: pytest.MonkeyPatch, checkpoint: str) -> None:
        import orbax.checkpoint as ocp

        save = ocp.PyTreeCheckpointer.save

        def fills(writer: Any, folder: Any, *args: Any, **kwargs: Any) -> None:
            save(writer, folder, *args, **kwargs)
            if checkpoint in str(folder) and "optimizer" in str(folder):
                raise FULL

        patch.setattr(ocp.PyTreeCheckpointer, "save", fills)

    def disturb(self) -> None:
        import numpy as np

        np.random.seed(999)


HOOKS: dict[str, Hooks] = {"trl": TrlHooks(), "tunix": TunixHooks()}
