"""The tab on which runs are watched, stopped and let go on."""

from webui.page import Act, View
from webui.runs import control, curves, detail, files, table

VIEWS: dict[str, View] = {"runs": table.view, "run": detail.view}
ACTS: dict[str, Act] = {
    "stop": control.stop,
    "kill": control.kill,
    "resume": control.resume,
    "series": curves.series,
    "download": files.download,
}
