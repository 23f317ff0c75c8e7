"""How does TensorBoard see a run: every number of a step, and the documents' names beside ours."""

import importlib.util
import re
import sys
from typing import Any

from grpoctl.run.directory import RunDirectory
from grpoctl.run.events import EVAL, STEP, Event, Sink

_FLUSH_S = 10
_NO_METRICS = ("step", "max_steps", "time")
_DOCUMENTS = {"reward": "reward/total", "loss": "loss/policy_loss", "kl": "loss/kl_divergence"}
_ONE_REWARD = re.compile(r"rewards/(.+)/mean")


class TensorBoardSink(Sink):
    """Writes tensorboard/ in the run's folder; `purge_step` is the first step that a resumed run does anew."""

    def __init__(self, run: RunDirectory, purge_step: int | None = None) -> None:
        self._folder = run.tensorboard
        self._purge_step = purge_step
        self._writer: Any = None

    def hear(self, event: Event) -> None:
        if event["event"] == STEP:
            self._write(_scalars_of_step(event), event)
        elif event["event"] == EVAL and event.get("mode") == "greedy":
            self._write(_scalars_of_eval(event), event)
            self._open().flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _write(self, scalars: dict[str, float], event: Event) -> None:
        writer = self._open()
        for tag, value in scalars.items():
            writer.add_scalar(tag, value, event["step"], walltime=event["time"])

    def _open(self) -> Any:
        """The writer; opened with the first number, where the Stream forgives a TensorBoard that is not installed."""
        if self._writer is None:
            writer = _writer_class()
            self._writer = writer(str(self._folder), purge_step=self._purge_step, flush_secs=_FLUSH_S)
        return self._writer


def _writer_class() -> Any:
    """torch's where torch is loaded; the JAX engines come with one that needs none."""
    if "torch" not in sys.modules and importlib.util.find_spec("tensorboardX") is not None:
        from tensorboardX import SummaryWriter
    else:
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter


def _scalars_of_step(event: Event) -> dict[str, float]:
    own = {
        name: float(value)
        for name, value in event.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in _NO_METRICS
    }
    one_reward = {f"reward/{match[1]}": own[name] for name in own if (match := _ONE_REWARD.fullmatch(name))}
    return {**own, **one_reward, **{tag: own[name] for name, tag in _DOCUMENTS.items() if name in own}}


def _scalars_of_eval(event: Event) -> dict[str, float]:
    names = ("accuracy", "format_accuracy")
    return {f"eval/{name}": float(event[name]) for name in names if event.get(name) is not None}
