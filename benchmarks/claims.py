"""What do the documents' examples come to, where pencil and paper could tell, or a library's own word?

    python benchmarks/claims.py

docs/claims.md holds these lines. Nothing is trained and nothing is random: they are the same wherever TRL 1.16 is. What
needs a training or an estimate has its own command in docs/claims.md.
"""

import inspect
import logging
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from numpy.typing import NDArray

from grpoctl.advantage import advantages, expected_flat_share
from grpoctl.estimate.network import parameters
from grpoctl.recipe.load import read_recipe
from grpoctl.rewards.graded import check_answer, check_numbers, match_format_approximately, match_format_exactly
from grpoctl.table import table

Floats = NDArray[np.float64]
Line = tuple[str, str]

_SIGNED = "1 for right and -1 for wrong, beside 1 and 0"
# The MaxText document's two completions to a question whose answer is 12.
_BEFORE = "<reasoning>讓我想想...</reasoning>\n<answer>我不確定，可能是 10 頁？</answer>"
_AFTER = "<reasoning>\n- 每封信 3 頁\n- 3 × 2 = 6 頁\n- 6 × 2 = 12 頁/週\n</reasoning>\n<answer>12</answer>"


def main() -> None:
    print("\n".join(table([*_examples(), *_groups(), *_estimators(), *_rewards(), *_network(), *_trl()])))


def _said(values: Floats) -> str:
    return " ".join(f"{value:+.2f}" for value in values)


def _group(*rewards: float, scale: Any = "group") -> Floats:
    return np.asarray(advantages(np.array([rewards], dtype=float), scale)[0])


def _examples() -> Iterator[Line]:
    yield "1+1, rewards 1 0 1 0, less their mean", _said(_group(1, 0, 1, 0, scale="none"))
    model = (7.2, 8.5, 6.1, 9.0, 7.8, 6.5, 8.2, 7.5)
    yield "a reward model's eight, less their mean of " + f"{np.mean(model):.1f}", _said(_group(*model, scale="none"))
    hard, easy = _group(12, 8, 10, 9, 11, 10, 9, 11), _group(90, 96, 97, 94, 95, 96, 97, 95)
    yield "12 in a group whose mean is 10; 90 in one whose mean is 95", f"{hard[0]:+.2f}; {easy[0]:+.2f}"
    for share in (0.2, 0.78, 0.95):
        right, wrong = _of_a_batch(share)
        said = f"{right:+.2f}, {wrong:+.2f}; less the mean alone {1 - share:+.2f}, {-share:+.2f}"
        yield f"right and wrong where {share:.0%} of 1,024 are right", said


def _of_a_batch(share: float) -> tuple[float, float]:
    """The advantages of a right and a wrong answer where all of a batch is one group, divided by its spread."""
    right = round(1024 * share)
    found = _group(*[1.0] * right, *[0.0] * (1024 - right))
    return float(found[0]), float(found[-1])


def _groups() -> Iterator[Line]:
    rng = np.random.default_rng(0)
    rewards = (rng.random((10_000, 8)) < 0.3).astype(float)
    apart = np.abs(advantages(2 * rewards - 1) - advantages(rewards)).max()
    plain = advantages(rewards, "none")
    times = advantages(2 * rewards - 1, "none")[plain != 0] / plain[plain != 0]
    yield f"{_SIGNED}: advantages of 10,000 groups", f"{apart:.0e} apart"
    yield (
        f"{_SIGNED}, undivided",
        f"each {times.mean():g} times as large" if np.ptp(times) < 1e-9 else "not in proportion",
    )
    yield "a group of one, of any reward", _said(_group(1.0)) + ", " + _said(_group(-3.0))
    yield "a group of two that differ, by 1 or by 0.001", f"{_said(_group(1, 0))}; {_said(_group(0.001, 0))}"
    yield "a group of eight that are all right", _said(_group(*[1] * 8))
    spread = np.std(rewards, axis=1).max()
    divided = advantages(rewards).std(axis=1, ddof=1)
    yield "largest spread of rewards 0 and 1 in a group; and once divided", f"{spread:.2f}; {divided.max():.2f}"
    for chance in (0.05, 0.5, 0.95):
        shares = "  ".join(f"{size}: {expected_flat_share(chance, size):.3f}" for size in (2, 8, 16, 64))
        yield f"share of flat groups, by G, where {chance:.0%} of answers are right", shares


def _estimators() -> Iterator[Line]:
    """A policy on four answers that is its own sampler, and a reference: what each estimate's gradient does."""
    logits, reference = np.array([0.5, 0.1, -0.3, 0.0]), np.array([1.0, -1.0, 0.0, 0.3])
    policy, held = _softmax(logits), _softmax(reference)
    score = np.eye(4) - policy  # row a: the gradient of log pi(a) by the logits
    true = policy @ ((np.log(policy / held))[:, None] * score)
    k1 = policy @ score  # of log pi - log ref: the reference is a constant, and drops out
    k3 = policy @ ((1 - held / policy)[:, None] * score)  # of ref/pi - 1 - log(ref/pi)
    yield "gradient of the true KL", _said(true)
    yield "gradient of k1 used as a loss, in the mean over its own answers", _said(np.abs(k1.round(9)))
    yield "gradient of k3 used as a loss", _said(k3)
    old = new = np.log(policy)
    clipped = np.clip(np.exp(new - old), 0.8, 1.2)
    yield "ratio of new to old at the only update of a batch", f"{clipped.min():.0f}, so the clip is idle"


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())


def _rewards() -> Iterator[Line]:
    for name, completion in (("before", _BEFORE), ("after", _AFTER)):
        texts, gold = [completion], ["12"]
        scores = (
            match_format_exactly(texts),
            match_format_approximately(texts),
            check_answer(texts, gold),
            check_numbers(texts, gold),
        )
        each = [score[0] or 0.0 for score in scores]
        yield f"the four rewards on the completion {name} training", f"{_said(np.array(each))}: {sum(each):+.1f}"


def _network() -> Iterator[Line]:
    recipe = read_recipe("mnist_document").recipe
    assert recipe is not None  # it is one of our own
    actor, critic = parameters(recipe), parameters(recipe, outputs=1)
    layers = [f"{a} x {b} + {b}" for a, b in pairwise((784, *(recipe.hidden_sizes or ()), 10))]
    yield "parameters of 784-128-128-10", f"{' + '.join(layers)} = {actor:,}"
    yield "a critic of 784-128-128-1", f"{critic:,}, which is {critic / (actor + critic):.1%} of both"


def _trl() -> Iterator[Line]:
    logging.disable(logging.WARNING)
    import trl

    try:
        trl.GRPOConfig(
            "saves/grpo",
            num_generations=8,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=4,
            use_cpu=True,
            bf16=False,
        )
        said = "taken"
    except ValueError as error:
        said = str(error)
    yield "TRL's GRPOConfig: 8 generations, batch 1, accumulation 4", said
    words = inspect.signature(trl.GRPOTrainer.__init__).parameters
    known = "is taken" if "tokenizer" in words else "is no argument; processing_class is"
    yield "TRL's GRPOTrainer(tokenizer=…)", known if "processing_class" in words else "neither is an argument"
    yield "TRL's own scale_rewards", str(trl.GRPOConfig.__dataclass_fields__["scale_rewards"].default)


if __name__ == "__main__":
    main()
