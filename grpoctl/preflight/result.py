"""What is known of a recipe so far: its findings, its rows, its prompts, its arithmetic."""

from dataclasses import dataclass, field

from grpoctl.data.chat import ChatTokenizer
from grpoctl.data.rows import Row
from grpoctl.errors import Finding, WithFindings
from grpoctl.recipe.load import RecipeReading
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.steps import StepPlan
from grpoctl.recipe.yaml_text import KeyPath
from grpoctl.rewards.registry import ReadyReward


@dataclass
class Preflight(WithFindings):
    """What is wrong with a recipe, and what it comes to where nothing is."""

    findings: list[Finding] = field(default_factory=list)
    recipe: Recipe | None = None
    rows: list[Row] | None = None
    # Of data sets without an entry: what each column was taken for.
    guessed: dict[str, dict[str, str]] = field(default_factory=dict)
    eval_rows: list[Row] | None = None
    rewards: list[ReadyReward] = field(default_factory=list)
    gold_scores: list[float] = field(default_factory=list)
    empty_scores: list[float] = field(default_factory=list)
    tokenizer: ChatTokenizer | None = None
    prompts: list[str] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)
    plan: StepPlan | None = None


@dataclass
class Teller:
    """Adds findings at the place of their key, leaving out what an earlier finding about the key said already."""

    reading: RecipeReading
    findings: list[Finding]

    def error(self, key: str | KeyPath, problem: str, fix: str) -> None:
        self._add(self.reading.source.finding(_path(key), problem, fix))

    def warn(self, key: str | KeyPath, problem: str, fix: str) -> None:
        self._add(self.reading.source.finding(_path(key), problem, fix, warning=True))

    def is_wrong(self, key: str) -> bool:
        """Whether there is an error about this very key, so that more about it would only confuse."""
        return any(finding.level == "error" and finding.key == key for finding in self.findings)

    def _add(self, finding: Finding) -> None:
        if not self.is_wrong(finding.key):
            self.findings.append(finding)


def _path(key: str | KeyPath) -> KeyPath:
    return (key,) if isinstance(key, str) else key
