"""What has to be kept of a training on digits so that it goes on as if it had never stopped?"""

from pathlib import Path

from grpoctl.engines.mlp.learner import State
from grpoctl.engines.mlp.network import MODEL, load_leaves, save_leaves

# Random numbers, the order of the pictures and the reference follow from the seed and the step.
_STATE = "state.safetensors"


def save(folder: Path, state: State, *, only_model: bool) -> None:
    """The actor's weights, as they are loaded to be asked, and everything that a step changes."""
    save_leaves(state.weights["actor"], folder / MODEL)
    if not only_model:
        save_leaves(state, folder / _STATE)


def load(folder: Path, fresh: State) -> tuple[State, bool]:
    """The state to go on from, and whether it is whole: else the actor's weights are all that was kept."""
    if (folder / _STATE).is_file():
        return load_leaves(folder / _STATE, fresh), True
    actor = load_leaves(folder / MODEL, fresh.weights["actor"])
    return fresh._replace(weights={**fresh.weights, "actor": actor}), False
