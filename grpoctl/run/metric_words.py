"""What does each metric of a step mean, in words?"""

from collections.abc import Iterator, Mapping
from typing import Any

_WORDS = {
    "reward": "mean over the step's answers",
    "reward_std": "spread of the rewards within a group",
    "zero_std_share": "of the groups score all their answers alike, and so teach nothing",
    "advantage_std": "spread of the advantages before they are scaled; rewards of 0 and 1 have 0.5 at most, at any G\n"
    "(the document would raise G over 1.0, which larger rewards alone can reach)",
    "baseline_error": "by which a group's mean misses the true one; it falls with the root of G",
    "kl": "nats from the reference model",
    "entropy": "nats a token; near 0 the answers are all alike",
    "completions/mean_length": "tokens an answer",
    "completions/clipped_ratio": "of the answers are cut off at max_completion_length",
    "learning_rate": "",
    "grad_norm": "before clipping",
    "loss": "says little in GRPO; the reward says more",
    "step_time_s": "seconds a step",
    "tokens_per_s": "tokens a second",
    "reward_failures": "scores that a reward failed to give",
    "samples_drawn": "answers drawn so far",
    "parameters": "numbers that are trained, of all networks",
    "optimizer_mib": "memory of the optimiser's own numbers",
}
# A digit is one token in no form.
OF_TEXT_ALONE = (
    "completions/mean_length", "completions/clipped_ratio", "format_accuracy", "mean_length", "truncated_share",
)  # fmt: skip
_OF_DIGITS = {
    "entropy": "nats an answer; near 0 the answers are all alike",
    "tokens_per_s": "answers a second",
}


def name_and_words(metrics: Mapping[str, Any], *, digits: bool) -> Iterator[tuple[str, str, str]]:
    """A metric's name, the name to show it by, and what it means: the reward, each part of it, then the others."""
    rewards = [name for name in metrics if _is_reward(name)]
    for name in ["reward", *rewards, *list(_WORDS)[1:]]:
        if name in metrics and not (digits and name in OF_TEXT_ALONE):
            shown = "answers_per_s" if digits and name == "tokens_per_s" else name
            yield name, shown, _words(name, metrics[name], digits)


def _words(name: str, value: Any, digits: bool) -> str:
    if name == "kl" and value is None:
        return "not measured, as pref_beta is 0"
    if _is_reward(name):
        return "the same for this reward alone, unweighted"
    return _OF_DIGITS[name] if digits and name in _OF_DIGITS else _WORDS[name]


def _is_reward(name: str) -> bool:
    return name.startswith("rewards/") and name.endswith("/mean")
