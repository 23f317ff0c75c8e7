"""How are a run's status, times and sizes written?"""

from grpoctl.run.view import RunView
from webui.html import Markup, h
from webui.page import Page


def status_pill(page: Page, status: str, damaged: bool = False) -> Markup:
    """A run whose manifest cannot be read is called neither dead nor alive."""
    if damaged and status == "dead":
        return h("span", page.say("damaged"), class_="pill dead")
    return h("span", page.say(status), class_=f"pill {status}")


def duration(seconds: float | None) -> str:
    """1:05:09, 5:09 or 0:09; a dash where it is not known."""
    if seconds is None:
        return "–"
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def started_at(view: RunView) -> str:
    return str(view.manifest.get("started") or "–")[:16].replace("T", " ")


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""
