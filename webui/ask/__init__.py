"""The tab on which models answer, before training and after it, and on which rewards say what an answer is worth."""

from webui.ask import bench, questions, tab
from webui.page import Act, View

VIEWS: dict[str, View] = {"ask": tab.view}
ACTS: dict[str, Act] = {
    "ask-question": questions.ask,
    "ask-stop": questions.stop,
    "ask-forget": questions.forget,
    "ask-let-go": questions.let_go,
    "ask-score": bench.score,
}
