from collections.abc import Callable
from pathlib import Path

import pytest

from grpoctl.errors import InputError, RecipeError
from grpoctl.preflight import check
from grpoctl.recipe.keys.output import ExportKeys
from grpoctl.recipe.load import RecipeReading, load_recipe, read_recipe, read_recipe_text
from grpoctl.recipe.schema import SECTIONS, Recipe, other_defaults

GOOD = "model_name_or_path: tiny\ndataset: tiny_arithmetic\nreward_funcs: accuracy\n"


# Where a recipe runs, the environment may say: tests/recipe/test_environment.py.
PLACED = {"nproc_per_node", "nnodes", "node_rank", "master_addr", "master_port"}


def read(extra: str = "", *overrides: str) -> RecipeReading:
    return read_recipe_text(GOOD + extra, "r.yaml", overrides)


def said(extra: str, *overrides: str) -> list[str]:
    return [str(finding) for finding in read(extra, *overrides).findings]


def good(extra: str = "", *overrides: str) -> Recipe:
    reading = read(extra, *overrides)
    assert reading.findings == []
    assert reading.recipe is not None
    return reading.recipe.resolved()


def test_an_unknown_key_suggests_the_nearest() -> None:
    assert said("num_genrations: 4") == ["r.yaml:4: num_genrations: is no key; did you mean num_generations?"]


def test_a_value_out_of_range_names_place_value_and_remedy() -> None:
    assert said("lora_rank: 0") == ["r.yaml:4: lora_rank: is 0; use 1 or more (8 to 64 are usual)."]


def test_a_group_of_one_is_refused() -> None:
    assert said("num_generations: 1") == [
        "r.yaml:4: num_generations: is 1; use 2 or more (8 to 16 are usual; a group of one has no advantage)."
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        # What LLaMA-Factory's validation lets through (COMPAT.md's list)
        ('lora_rank: "64"', 'is the text "64"; write 64 without quotes (8 to 64 are usual).'),
        ("lora_dropout: 5.0", "is 5.0; use a number below 1 (0 to 0.1 is usual)."),
        ("learning_rate: -1", "is -1; use a number above 0 (5e-7 to 3e-6 full, 1e-6 to 1e-5 LoRA)."),
        ("per_device_train_batch_size: 0", "is 0; use 1 or more."),
        ("template: qwen99", 'is qwen99, which is no template known here; use qwen, or take it out to use '
                             "the tokenizer's own chat template."),
        # Types
        ("learning_rate: .nan", "is nan; use a finite number (5e-7 to 3e-6 full, 1e-6 to 1e-5 LoRA)."),
        ("max_steps: 10.0", "is 10.0; use a whole number, such as 10."),
        ("seed: true", "is true; use a whole number."),
        ("bf16: maybe", 'is maybe; use true or false.'),
        ("bf16: 1", "is 1; use true or false."),
        ("output_dir: 3", 'is 3; write "3" in quotes.'),
        ("save_steps:", "is empty; give a value, or take the line out for the default 500."),
        ("mesh: 8", "is 8; use a mapping of keys."),
        ("lora_target: [1]", None),
        # Choices
        ("loss_type: dap0", "is dap0; did you mean dapo? The choices: grpo, dapo, bnpo, dr_grpo, gspo."),
        ("scale_rewards: std", "is std; use one of group, batch, none."),
        ("stage: sft", "is sft; use stage: grpo; supervised and preference training stay with LLaMA-Factory."),
        ("finetuning_type: oft", "is oft; use finetuning_type: lora, or full."),
        ("loss_type: cispo", "is cispo; use loss_type: dapo, or another of grpo, bnpo, dr_grpo, gspo."),
        # Other programs' names
        ("beta: 0.1", "is not the name here; use pref_beta."),
        ("packing: true", "belongs to supervised fine-tuning, and GRPO draws its own completions; take it out."),
        ("reward_model: a/b", "is not taken here; use reward_funcs."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_in_words(line: str, message: str | None) -> None:
    key = line.partition(":")[0]
    (finding,) = said(line)
    assert finding.startswith(f"r.yaml:4: {key}")
    assert message is None or finding == f"r.yaml:4: {key}: {message}"


def test_a_refused_key_that_is_off_is_only_a_warning() -> None:
    for off in ("false", "null"):
        (finding,) = read(f"packing: {off}").findings
        assert finding.level == "warning"


def test_all_errors_come_at_once_in_the_order_of_the_lines() -> None:
    extra = "lora_rank: 0\nlernrate: 1\nloss_type: x\nbf16: yes\nfp16: yes\nepsilon: 0.3\nepsilon_high: 0.2\n"
    keys = [finding.key for finding in read(extra).findings]
    assert keys == ["lora_rank", "lernrate", "loss_type", "fp16", "epsilon_high"]


def test_a_rule_is_silent_about_a_key_that_is_wrong_itself() -> None:
    assert [finding.key for finding in read("epsilon: -1\nepsilon_high: 0.1").findings] == ["epsilon"]


def test_nested_keys_are_checked_with_their_line() -> None:
    assert said("mesh:\n  fsdp: 0\n  tenser: 2") == [
        "r.yaml:5: mesh.fsdp: is 0; use 1 or more.",
        "r.yaml:6: mesh.tenser: is no key; did you mean tensor?",
    ]
    assert said("eval_modes: {greedy: {top_p: 2}}") == ["r.yaml:4: eval_modes.greedy.top_p: is 2; use 1 or less."]


def test_a_mode_keeps_its_own_defaults_for_the_keys_left_out() -> None:
    modes = good("eval_modes: {standard: {temperature: 0.5}}").eval_modes
    assert (modes.standard.temperature, modes.standard.top_k, modes.standard.top_p) == (0.5, 50, 0.95)
    assert (modes.greedy.temperature, modes.greedy.top_k) == (1e-4, 1)
    assert (modes.liberal.temperature, modes.liberal.top_k) == (0.85, 2000)


@pytest.mark.parametrize(
    "written", ["accuracy,format", "[accuracy, format]", "[{use: accuracy}, {use: format, weight: 1.0, args: {}}]"]
)
def test_rewards_may_be_written_in_three_ways(written: str) -> None:
    reading = read_recipe_text(f"model_name_or_path: tiny\ndataset: a\nreward_funcs: {written}\n", "r.yaml")
    assert reading.recipe is not None
    assert [(reward.use, reward.weight) for reward in reading.recipe.reward_funcs] == [("accuracy", 1), ("format", 1)]


@pytest.mark.parametrize(("written", "meant"), [("true", "group"), ("false", "none"), ("batch", "batch")])
def test_scale_rewards_takes_trls_older_form(written: str, meant: str) -> None:
    assert good(f"scale_rewards: {written}").scale_rewards == meant


@pytest.mark.parametrize("word", ["yes", "on", "true", "True"])
def test_switches_take_yaml_1_1_words(word: str) -> None:
    assert good(f"bf16: {word}").bf16 is True


def test_overrides_come_last_and_reach_inside() -> None:
    recipe = good(
        "learning_rate: 1.0e-6\nepsilon_high: 0.3\nengine: tunix\n",
        "learning_rate=1e-5",
        "reward_funcs=accuracy,format",
        "epsilon_high=null",
        "mesh.fsdp=4",
        "lora_target=[q_proj, v_proj]",
        "eval_modes.greedy.temperature=0",
    )
    assert recipe.learning_rate == 1e-5
    assert len(recipe.reward_funcs) == 2
    assert recipe.epsilon_high == recipe.epsilon == 0.2
    assert (recipe.mesh.fsdp, recipe.mesh.tensor) == (4, 1)
    assert recipe.lora_target == ("q_proj", "v_proj")
    assert recipe.eval_modes.greedy.temperature == 0


def test_an_override_reaches_into_a_list() -> None:
    reading = read("", "reward_funcs=[{use: accuracy}, {use: format}]", "reward_funcs.1.weight=0.5")
    assert reading.recipe is not None
    assert reading.recipe.reward_funcs[1].weight == 0.5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lora_rank", 'command line: is lora_rank; write overrides as key=value.'),
        ("=3", 'command line: is the text "=3"; write overrides as key=value.'),
        ("lora_rank=0", "command line: lora_rank: is 0; use 1 or more (8 to 64 are usual)."),
        ("lora_rnk=8", "command line: lora_rnk: is no key; did you mean lora_rank?"),
        ("reward_funcs.7.weight=1",
         "command line: reward_funcs.7.weight: reaches into a value that has no such part; "
         "set reward_funcs as a whole."),
        ("mesh={", None),
        ("²=1", None),
        ("reward_funcs.99999999999999999999=1", None),
    ],
)  # fmt: skip
def test_a_wrong_override_says_command_line(override: str, message: str | None) -> None:
    (finding,) = said("", override)
    assert finding.startswith("command line: ")
    assert message is None or finding == message


def test_derived_values_stand_in_the_resolved_recipe() -> None:
    recipe = good("lora_rank: 16\nmax_new_tokens: 64\ncutoff_len: 100\nmax_prompt_length: 300\n")
    assert recipe.engine == "trl"
    assert recipe.lora_alpha == 32
    assert recipe.max_completion_length == 64
    assert recipe.max_prompt_length == 100  # both given: the smaller holds
    assert good("max_prompt_length: 4000").max_prompt_length == 4000  # cutoff_len's default is no wish


@pytest.mark.parametrize(
    ("keys", "engine"),
    [
        ("", "trl"),
        ("hidden_sizes: [128, 128]", "mlp"),
        ("model_name_or_path: gs://b/qwen3-8b/0/items", "maxtext"),
        ("model_name_or_path: /checkpoints/0/items/", "maxtext"),
        ("hidden_sizes: 128", "mlp"),
        ("engine: tunix", "tunix"),
    ],
)
def test_auto_picks_the_engine(keys: str, engine: str) -> None:
    reading = read_recipe_text(keys or GOOD, "r.yaml")
    assert reading.recipe is not None
    assert reading.recipe.resolved().engine == engine


def test_a_recipe_cannot_be_changed_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        good().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "r.yaml: is empty; start from one that works: grpoctl init."),
        ("# only a comment", "r.yaml: is empty; start from one that works: grpoctl init."),
        ("just words", "r.yaml:1: holds no keys; write key: value lines."),
        ("- a\n- b", "r.yaml:1: holds no keys; write key: value lines."),
    ],
)
def test_a_text_without_keys_gets_one_line(text: str, message: str) -> None:
    reading = read_recipe_text(text, "r.yaml")
    assert [str(finding) for finding in reading.findings] == [message]
    assert reading.recipe is None


def test_load_raises_every_error_and_is_a_value_error(recipe_file: Callable[..., Path]) -> None:
    path = recipe_file("lora_rank: 0\nstage: sft\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    assert isinstance(caught.value, InputError | ValueError)
    assert [finding.key for finding in caught.value.findings] == ["lora_rank", "stage"]
    assert caught.value.exit_code == 2


def test_a_built_in_recipe_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("recipes/quickstart.yaml", "quickstart.yaml", "quickstart"):
        assert read_recipe(name).recipe is not None
    (missing,) = read_recipe("quickstrat.yaml").findings
    assert str(missing) == "quickstrat.yaml: is not there; did you mean quickstart.yaml?"


def test_no_environment_variable_changes_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Recipe.model_fields.keys() - PLACED:
        monkeypatch.setenv(name.upper(), "7")
        monkeypatch.setenv(name, "7")
    assert read("run_name: $HOME\n").recipe == read_recipe_text(GOOD + "run_name: $HOME\n", "r.yaml").recipe
    assert good("run_name: ${SEED}").run_name == "${SEED}"
    assert good().seed == 42


def test_every_key_stands_in_exactly_one_section() -> None:
    names = [name for section in SECTIONS for name in section.model_fields]
    assert sorted(names) == sorted(Recipe.model_fields)
    assert len(names) == len(set(names))


def test_the_defaults_would_be_taken_from_a_recipe() -> None:
    defaults = Recipe()  # pydantic itself takes them unseen
    assert Recipe.model_validate(defaults.model_dump()) == defaults


def test_an_export_recipe_needs_no_data() -> None:
    reading = read_recipe_text("model_name_or_path: tiny\nexport_dir: out\nexport_size: 5\n", "r.yaml")
    assert reading.findings == []
    assert set(ExportKeys.model_fields) <= set(Recipe.model_fields)


@pytest.mark.parametrize("text", ["Think: then answer", "a # b", "x: [", "{not closed"])
def test_an_overriding_text_needs_no_quotes(text: str) -> None:
    if text.startswith("{"):
        assert said("", f"system_prompt={text}")[0].startswith("command line: system_prompt: opens a bracket")
    else:
        assert good("", f"system_prompt={text}").system_prompt == text


def test_errors_inside_an_override_say_command_line() -> None:
    assert said("", "eval_modes.gredy.temperature=1") == [
        "command line: eval_modes.gredy: is no key; did you mean greedy?"
    ]


def test_a_section_is_told_to_be_flat() -> None:
    assert said("trainer:\n  total_epochs: 3") == [
        "r.yaml:4: trainer: is a section, and recipes are flat; write its keys at the margin."
    ]


def test_a_share_as_warmup_steps_points_to_the_ratio() -> None:
    assert said("warmup_steps: 0.1") == ["r.yaml:4: warmup_steps: is 0.1; use warmup_ratio: 0.1."]
    assert said("save_steps: 0.1") == ["r.yaml:4: save_steps: is 0.1; use a whole number."]


def test_a_key_under_another_name_is_not_missed_by_the_rules() -> None:
    assert [finding.key for finding in read("evaluation_strategy: steps\neval_steps: 5\nval_size: 5").findings] == [
        "evaluation_strategy"
    ]


@pytest.mark.parametrize(
    ("extra", "remat"), [("", "full"), ("disable_gradient_checkpointing: true", "none"), ("remat: minimal", "minimal")]
)
def test_remat_follows_gradient_checkpointing(extra: str, remat: str) -> None:
    assert good(f"engine: tunix\n{extra}").remat == remat


def test_defaults_other_than_llama_factorys_are_told_where_they_are_used() -> None:
    named = other_defaults(Recipe(learning_rate=1e-4))
    assert named["temperature"] == (1.0, 0.95)
    assert named["max_completion_length"] == (512, 1024)
    assert "learning_rate" not in named
    assert "vllm_gpu_util" not in named
    assert other_defaults(Recipe(use_vllm=True))["vllm_gpu_util"] == (0.3, 0.7)


def test_a_recipe_name_that_no_file_can_have_is_one_line() -> None:
    for name in ("x" * 5000, "a\0b"):
        assert len(read_recipe(name).findings) == 1


def test_an_override_of_an_alias_leaves_its_twin_alone() -> None:
    recipe = good("engine: tunix\nmesh: &m {fsdp: 2}\nrollout_mesh: *m\n", "mesh.fsdp=4")
    assert recipe.rollout_mesh is not None
    assert (recipe.mesh.fsdp, recipe.rollout_mesh.fsdp) == (4, 2)


def test_an_override_of_a_whole_list_is_blamed_for_what_is_in_it() -> None:
    text = "model_name_or_path: tiny\ndataset: a\nreward_funcs:\n  - use: accuracy\n  - use: format\n"
    (finding,) = read_recipe_text(text, "r.yaml", ["reward_funcs=[{use: a}, {use: b, weight: x}]"]).findings
    assert str(finding).startswith("command line: reward_funcs.1.weight: is x")


def test_a_finding_is_one_printable_line() -> None:
    (finding,) = read('"a\\nb\\e[31m": 1\n').findings
    assert str(finding).isprintable()


def test_a_training_recipe_that_forgets_its_data_is_no_export() -> None:
    keys = {
        finding.key for finding in read_recipe_text("stage: grpo\nmodel_name_or_path: a\nexport_dir: o\n", "r").findings
    }
    assert keys == {"dataset", "reward_funcs"}


def test_a_deep_override_is_refused() -> None:
    assert "write overrides as key=value" in said("", "a" + ".b" * 40 + "=1")[0]


def test_a_list_of_a_thousand_names_is_refused() -> None:
    assert said("eval_dataset: " + ",".join("a" * 1000))[0].endswith("is too long; use at most 256.")


@pytest.mark.parametrize("wrong", ["[]", "0", "abc", "1.5", "true", "{a: 1}"])
def test_wrong_hidden_sizes_are_one_error_as_they_still_mean_a_network(wrong: str) -> None:
    (finding,) = read_recipe("mnist_grpo", [f"hidden_sizes={wrong}"]).errors
    assert finding.key.startswith("hidden_sizes")
    found = check(read_recipe("mnist_grpo", [f"hidden_sizes={wrong}"]))
    assert found.errors == [finding]
