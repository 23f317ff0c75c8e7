"""How the modes of an evaluation ask a network."""

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("jax")
pytest.importorskip("flax")

from grpoctl.engines.mlp.mistakes import confusion, worst_first
from grpoctl.engines.mlp.sampler import as_sampled
from grpoctl.recipe.keys.evaluation import EvalModes, EvalSampling

CHANCES = np.array([[0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0]]) + 1e-12
LOG = np.log(CHANCES / CHANCES.sum())


def sampled(**how: float) -> list[float]:
    return [round(float(chance), 4) for chance in as_sampled(LOG, EvalSampling(**how))[0][:4]]  # type: ignore[arg-type]


def test_greedy_takes_the_likeliest() -> None:
    greedy = EvalModes().greedy
    assert as_sampled(LOG, greedy)[0].tolist() == [1.0] + [0.0] * 9
    assert sampled(temperature=0.0) == [1.0, 0, 0, 0]


@pytest.mark.parametrize(
    ("how", "chances"),
    [
        ({}, [0.4, 0.3, 0.2, 0.1]),
        ({"top_k": 2}, [0.5714, 0.4286, 0, 0]),
        ({"top_p": 0.69}, [0.5714, 0.4286, 0, 0]),
        ({"top_p": 0.71}, [0.4444, 0.3333, 0.2222, 0]),
        ({"temperature": 0.5}, [0.5333, 0.3, 0.1333, 0.0333]),  # squares: 16, 9, 4 and 1 of 30
    ],
)
def test_the_others_draw_from_what_their_keys_leave(how: dict[str, float], chances: list[float]) -> None:
    assert sampled(**how) == chances


def test_mistakes_are_counted_by_digit_and_the_surest_comes_first() -> None:
    labels, said = np.array([1, 1, 2, 3]), np.array([1, 7, 2, 8])
    counts = confusion(labels, said)
    assert (counts[1, 1], counts[1, 7], counts[3, 8], counts.sum()) == (1, 1, 1, 4)
    log_probs = np.log(np.full((4, 10), 0.05))
    log_probs[1, 7], log_probs[3, 8] = np.log(0.5), np.log(0.9)
    assert worst_first(labels, said, log_probs).tolist() == [3, 1]


def test_a_network_that_says_one_digit_is_shown_a_picture_of_each_in_turn() -> None:
    labels = np.array([0, 0, 0, 2, 2, 1])
    said = np.ones(6, np.int64)
    log_probs = np.zeros((6, 10))
    log_probs[:, 1] = [-0.1, -0.2, -0.3, -0.5, -0.4, 0.0]
    # The surest 0 and the surest 2, then the next of each; by sureness alone all three 0 would come first.
    assert worst_first(labels, said, log_probs).tolist() == [0, 4, 1, 3, 2]
