"""GRPO in five lines, beside PPO, and what is often told of it that does not hold."""

from webui.html import Markup, h
from webui.page import Page

_STEPS = (
    "Draw G answers to each question.",
    "Score each answer: no model of rewards is needed where an answer can be checked.",
    "Subtract the group's mean, and divide by its spread: that is the advantage.",
    "Make answers with a positive advantage likelier, the others less likely; the ratio to the old policy is clipped.",
    "Where KL has a weight, hold the model near the one that it started from.",
)
_BESIDE = (
    ("networks that are trained", "actor and critic", "the actor alone"),
    ("what an answer is compared with", "what the critic expects", "the mean of its group"),
    ("answers drawn to a question", "one is enough", "G, which is where the time goes"),
    ("memory", "twice the weights, gradients and optimiser", "once"),
    ("what makes it unsteady", "a critic that lags behind", "a small group, or a flat one"),
)
_MYTHS = (
    (
        "GRPO is PPO without a baseline.",
        "It has one: the group's mean takes the critic's place.",
    ),
    (
        "G is the batch size.",
        "G is how many answers one question gets; a step has questions x G answers.",
    ),
    (
        "When memory is short, lower G to 1.",
        "An answer without siblings has no advantage, and nothing is learned. Lower the micro-batch or the length.",
    ),
    (
        "More answers are always better.",
        "The error of the mean falls with the root of G, and the time grows with G. 8 to 16 are usual.",
    ),
    (
        "A loss that does not fall means that nothing is learned.",
        "GRPO's loss hovers around zero by construction. Look at the reward.",
    ),
)


def view(page: Page) -> Markup:
    say = page.say
    head = h("tr", h("th", ""), h("th", "PPO", scope="col"), h("th", "GRPO", scope="col"))
    rows = [
        h("tr", h("th", say(what), scope="row"), h("td", say(ppo)), h("td", say(grpo))) for what, ppo, grpo in _BESIDE
    ]
    myths = [part for myth, truth in _MYTHS for part in (h("dt", say(myth)), h("dd", say(truth)))]
    return h(
        "section",
        h("h2", say("GRPO in five lines")),
        h("ol", *[h("li", say(step)) for step in _STEPS]),
        h("h3", say("Beside PPO")),
        h("div", h("table", h("thead", head), h("tbody", *rows)), class_="scroll"),
        h("h3", say("Often told, and not so")),
        h("dl", *myths),
        id="learn-reading",
    )
