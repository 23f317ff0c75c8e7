"""The tab on which runs stand side by side: how well each does, on which problems, and how surely."""

from webui.compare import evals, tab
from webui.page import Act, View

VIEWS: dict[str, View] = {"compare": tab.view}
ACTS: dict[str, Act] = {"eval-start": evals.start, "eval-stop": evals.stop}
