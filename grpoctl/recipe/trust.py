"""May the Python that comes with a model run? Only where the recipe and the command line both say so.

A recipe may be anyone's, and so may the folder of a run: neither of them alone makes this machine run foreign code.
"""

from typing import TYPE_CHECKING, Any

from grpoctl.errors import Finding

if TYPE_CHECKING:
    from grpoctl.recipe.load import RecipeSource

KEY = "trust_remote_code"
ON_THE_COMMAND_LINE = f"{KEY}=true"


def settle_trust(values: dict[str, Any], written: object, source: "RecipeSource") -> list[Finding]:
    """Switch it off in `values`, with a warning, where one of the two lacks; `written` is what the recipe says."""
    if values.get(KEY) is not True:
        return []
    on_the_command_line = (KEY,) in source.overridden
    if on_the_command_line and written is True:
        return []
    values[KEY] = False
    if on_the_command_line:
        problem, fix = "is true on the command line alone, so it stays off", f"write {KEY}: true into the recipe too"
    else:
        problem = "is true in the recipe alone, so it stays off"
        fix = f"add {ON_THE_COMMAND_LINE} to the command, if you have read the model's code and it needs that"
    return [source.finding((KEY,), problem, fix, warning=True)]
