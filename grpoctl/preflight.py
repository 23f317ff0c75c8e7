"""Will this recipe train? Everything that can be known before a model is loaded, without the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grpoctl.data.chat import ChatTokenizer, messages_of
from grpoctl.data.dataset_info import find_entry
from grpoctl.data.rows import Row, read_rows
from grpoctl.engines.base import ENGINES, missing_packages
from grpoctl.errors import Finding, ModelError
from grpoctl.machine import Machine, read_machine
from grpoctl.model_files import find_model
from grpoctl.recipe.load import RecipeReading
from grpoctl.recipe.schema import Recipe
from grpoctl.recipe.steps import StepPlan, plan_steps
from grpoctl.recipe.yaml_text import KeyPath
from grpoctl.rewards.registry import BadReward, ReadyReward, ready_reward

# Gold answers are tried on so many rows: enough to see what kind they are.
GOLD_ROWS = 200


@dataclass
class Preflight:
    """What is wrong with a recipe, and what it comes to where nothing is."""

    findings: list[Finding] = field(default_factory=list)
    recipe: Recipe | None = None
    rows: list[Row] | None = None
    eval_rows: list[Row] | None = None
    rewards: list[ReadyReward] = field(default_factory=list)
    gold_scores: list[float] = field(default_factory=list)
    empty_scores: list[float] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)
    plan: StepPlan | None = None

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "warning"]


def check(reading: RecipeReading, machine: Machine | None = None) -> Preflight:
    """Every finding about a recipe: those of its text, its data, its rewards, its prompts and this machine."""
    if reading.recipe is None:
        return Preflight(list(reading.findings))
    recipe = reading.recipe.resolved()
    result = Preflight(list(reading.findings), recipe)
    tell = _Teller(reading, result.findings)
    _check_output(recipe, tell)
    _check_engine(recipe, machine or read_machine(), tell)
    if recipe.is_export or recipe.engine == "mlp":
        return result
    _check_rewards(recipe, result, tell)
    result.rows = _read_datasets(recipe, "dataset", recipe.dataset, tell)
    result.eval_rows = _read_datasets(recipe, "eval_dataset", recipe.eval_dataset, tell)
    _check_prompts(recipe, result, tell)
    if result.rows:
        _score_gold_answers(recipe, result, tell)
    _plan(recipe, result, tell)
    # The recipe's own lines first and in their order, then those of the data's files.
    result.findings.sort(key=lambda finding: (finding.file != reading.source.file, finding.line or 0))
    return result


@dataclass
class _Teller:
    """Adds findings at the place of their key, leaving out what an earlier finding about the key said already."""

    reading: RecipeReading
    findings: list[Finding]

    def error(self, key: str | KeyPath, problem: str, fix: str) -> None:
        self._add(self.reading.source.finding(_path(key), problem, fix))

    def warn(self, key: str | KeyPath, problem: str, fix: str) -> None:
        self._add(self.reading.source.finding(_path(key), problem, fix, warning=True))

    def _add(self, finding: Finding) -> None:
        if not any(known.level == "error" and known.key == finding.key for known in self.findings):
            self.findings.append(finding)


def _path(key: str | KeyPath) -> KeyPath:
    return (key,) if isinstance(key, str) else key


def _check_output(recipe: Recipe, tell: _Teller) -> None:
    if recipe.output_dir is None:
        return
    folder = Path(recipe.output_dir).expanduser()
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except (OSError, ValueError) as error:
        tell.error("output_dir", f"cannot be used ({error})", "name another folder")
        return
    if folder.exists() and not folder.is_dir():
        tell.error("output_dir", f"is {folder}, which is a file", "name a folder")
    elif taken and not recipe.overwrite_output_dir and recipe.resume_from_checkpoint is None:
        tell.error(
            "output_dir",
            f"is {folder}, which holds something already",
            "name another folder, or add overwrite_output_dir: true",
        )


def _check_engine(recipe: Recipe, machine: Machine, tell: _Teller) -> None:
    """What this machine lacks: a warning, because the recipe may be for another one."""
    missing = missing_packages(recipe.engine)
    if missing:
        tell.warn(
            "engine",
            f"is {recipe.engine}, and this Python lacks {', '.join(missing)}",
            f"install them: pip install 'grpoctl[{'mnist' if recipe.engine == 'mlp' else recipe.engine}]'",
        )
    if recipe.engine == "trl" and not machine.gpus:
        for key in ("use_vllm", "quantization_bit", "fp16", "bf16"):
            if getattr(recipe, key):
                tell.warn(key, "is meant for a GPU, and none is here", "run it where there is one")
    if recipe.engine == "maxtext" and not machine.tpus:
        tell.warn("engine", "is maxtext, which is meant for TPUs, and none is here", "run it where there is one")
    named = recipe.deepspeed in (None, "z0", "z2", "z3", "z3-offload")
    if not named and not Path(str(recipe.deepspeed)).expanduser().is_file():
        tell.error(
            "deepspeed",
            f"is {recipe.deepspeed}, which is no file",
            "give a file, or use z0, z2, z3 or z3-offload",
        )


def _check_rewards(recipe: Recipe, result: Preflight, tell: _Teller) -> None:
    for number, use in enumerate(recipe.reward_funcs):
        try:
            result.rewards.append(ready_reward(use, recipe))
        except BadReward as error:
            tell.error(("reward_funcs", number, *error.path), error.problem, error.fix)


def _read_datasets(recipe: Recipe, key: str, names: Sequence[str], tell: _Teller) -> list[Row] | None:
    """The rows of all data sets of a key, or None where one is not here to be read."""
    rows: list[Row] | None = []
    for name in names:
        found = find_entry(name, Path(recipe.dataset_dir).expanduser())
        if isinstance(found, list):
            for finding in found:
                if finding.file:
                    tell.findings.append(finding)
                else:
                    tell.error(key, finding.problem, finding.fix)
            rows = None
            continue
        entry, folder = found
        if entry.file_name is None:
            tell.warn(
                key,
                f"names {name}, which is not on this machine but on the hub as {entry.hf_hub_url}",
                "download it first to have its rows checked",
            )
            rows = None
            continue
        read = read_rows(entry, folder, recipe.max_samples)
        tell.findings += read.findings
        if rows is not None:
            rows += read.rows
    return rows


def _check_prompts(recipe: Recipe, result: Preflight, tell: _Teller) -> None:
    """Render every prompt, count its tokens, and leave out those that are too long."""
    tokenizer = _tokenizer(recipe, tell)
    rows = result.rows
    if tokenizer is None or not rows:
        return
    if tokenizer.template is None:
        tell.warn(
            "model_name_or_path",
            "has no chat template, so the question alone is the prompt",
            "use a chat model, or write the questions as prompts",
        )
    try:
        prompts = [tokenizer.render(messages_of(row, recipe), recipe.enable_thinking) for row in rows]
    except ModelError as error:
        tell.findings += error.findings
        return
    tokens = tokenizer.lengths(prompts)
    limit = recipe.max_prompt_length or 0
    kept = [index for index, length in enumerate(tokens) if length <= limit]
    key = "cutoff_len" if "cutoff_len" in recipe.model_fields_set else "max_prompt_length"
    if len(kept) < len(rows):
        said = f"leaves out {len(rows) - len(kept)} of {len(rows)} prompts, the longest of {max(tokens)} tokens"
        if kept:
            tell.warn(key, said, "raise it to keep them")
        else:
            tell.error(key, said, "raise it")
            return
    result.rows = [rows[index] for index in kept]
    result.prompts = [prompts[index] for index in kept]
    result.prompt_tokens = [tokens[index] for index in kept]
    _check_that_tags_are_asked_for(recipe, result, tell)
    _check_that_completions_fit(recipe, result, tokenizer.max_positions, tell)


def _tokenizer(recipe: Recipe, tell: _Teller) -> ChatTokenizer | None:
    key = "tokenizer_name_or_path" if recipe.tokenizer_name_or_path else "model_name_or_path"
    name = getattr(recipe, key)
    if name is None:
        return None
    folder = find_model(name, recipe.model_revision, recipe.cache_dir)
    if folder is None:
        tell.warn(key, f"is {name}, which is not on this machine", "download it first to have its prompts checked")
        return None
    if not folder.is_dir():
        fix = "check the path, or give a Hugging Face name such as Qwen/Qwen3-0.6B"
        tell.error(key, f"is {name}, and no such folder is here", fix)
        return None
    try:
        return ChatTokenizer(folder)
    except ModelError as error:
        tell.findings += error.findings
        return None


def _check_that_tags_are_asked_for(recipe: Recipe, result: Preflight, tell: _Teller) -> None:
    """A model that was never told of the answer tag rarely writes it, and then no group has a spread."""
    reads_tag = any("answer_tag" in ready.reward.arguments for ready in result.rewards)
    told = recipe.system_prompt is not None or any(f"<{recipe.answer_tag}>" in prompt for prompt in result.prompts[:10])
    if reads_tag and not told:
        tell.warn(
            "system_prompt",
            f"is missing, and no prompt asks for the <{recipe.answer_tag}> tag that rewards read",
            f'ask for <{recipe.reasoning_tag}> and <{recipe.answer_tag}> in it, or set it to ""',
        )


def _check_that_completions_fit(recipe: Recipe, result: Preflight, positions: int | None, tell: _Teller) -> None:
    longest, completion = max(result.prompt_tokens), recipe.max_completion_length or 0
    if positions is not None and longest + completion > positions:
        room = positions - longest
        tell.warn(
            "max_completion_length",
            f"is {completion}, and a prompt has {longest} tokens: more than the model's {positions}",
            f"use {room} or less" if room > 0 else "use shorter prompts",
        )


def _score_gold_answers(recipe: Recipe, result: Preflight, tell: _Teller) -> None:
    """A completion with the gold answer must earn each reward's maximum, or the reward and the data do not fit."""
    rows = (result.rows or [])[:GOLD_ROWS]
    columns = {name: [row.columns.get(name) for row in rows] for name in set().union(*(row.columns for row in rows))}
    columns["answer"] = [row.answer for row in rows]
    think, answer = recipe.reasoning_tag, recipe.answer_tag
    gold = [f"<{think}>\nas the data set says\n</{think}>\n<{answer}>{row.answer}</{answer}>" for row in rows]
    for number, ready in enumerate(result.rewards):
        name = ready.reward.name
        key = ("reward_funcs", number)
        lacking = [column for column in ready.reward.columns if column not in columns]
        if lacking:
            tell.error(key, f"uses {name}, which reads {lacking[0]}, a column that the data lacks", "add the column")
            continue
        scores = ready.score(gold, columns)
        short = [index for index, score in enumerate(scores) if score is not None and score != ready.reward.maximum]
        if ready.reward.maximum is not None and short:
            index = short[0]
            earned = f"gives {name} {scores[index]:g} of {ready.reward.maximum:g}"
            tell.error(
                key,
                f'{earned} for the gold answer "{rows[index].answer[:40]}" ({len(short)} of {len(rows)} tried)',
                "use another reward, or mend the data's answers",
            )
        empty = ready.score([""] * len(rows), columns)
        result.gold_scores.append(ready.weight * (scores[0] or 0.0))
        result.empty_scores.append(ready.weight * (empty[0] or 0.0))


def _plan(recipe: Recipe, result: Preflight, tell: _Teller) -> None:
    plan = plan_steps(recipe, len(result.rows) if result.rows else None)
    result.plan = plan
    if result.rows and len(result.rows) < plan.prompts:
        tell.error(
            "dataset",
            f"has {len(result.rows)} usable rows, and a step takes {plan.prompts} prompts",
            "add rows, or lower gradient_accumulation_steps or per_device_train_batch_size",
        )
    elif plan.steps == 0:
        tell.error(
            "num_train_epochs",
            f"is {recipe.num_train_epochs:g}, which makes no whole step",
            "raise it, or use max_steps",
        )


def engine_title(recipe: Recipe) -> str:
    """The engine in words, for people."""
    kind = f"LoRA of rank {recipe.lora_rank}" if recipe.finetuning_type == "lora" else "every weight"
    bits = f", {recipe.quantization_bit}-bit base" if recipe.quantization_bit else ""
    return f"{recipe.engine} ({ENGINES[recipe.engine].title}), {kind}{bits}"
