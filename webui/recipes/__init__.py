"""The tab on which a recipe is chosen, changed, checked and started."""

from webui.page import Act, View
from webui.recipes import bar, findings, form, launch

VIEWS: dict[str, View] = {"recipe-bar": bar.view, "form": form.view, "findings": findings.view}
ACTS: dict[str, Act] = {
    "open": bar.open_,
    "bring-back": bar.bring_back,
    "edit": form.change,
    "reward": form.switch_reward,
    "save": launch.save,
    "launch": launch.launch,
}
