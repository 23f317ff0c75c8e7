"""Which problems are trained on, and how does one become a prompt?"""

from typing import Literal

from grpoctl.recipe.keys.base import Keys, Switch, Word, Words, key


class DataKeys(Keys):
    """Data and prompts"""

    dataset: Words = key(())
    """Data sets to train on, several separated by commas: names from dataset_info.json, or paths of files and folders
    (`data/train.jsonl`, `data/gsm8k:test`)."""

    eval_dataset: Words = key(())
    """Data sets to evaluate on, named in the same way."""

    dataset_dir: Word = key("data")
    """Folder of dataset_info.json and its files. A name that it lacks is looked up in grpoctl's own data."""

    val_size: float = key(0.0, ge=0, usual="0.1 keeps a tenth, 200 keeps 200 rows")
    """Rows kept from training for evaluation: a share below 1, or a count."""

    max_samples: int | None = key(None, ge=1)
    """Use at most so many rows of each data set."""

    bad_rows: Literal["refuse", "skip"] = key("refuse")
    """Rows that cannot be used (no question, no gold answer, no JSON): an error, or left out, counted and told."""

    mix_strategy: Literal["concat", "interleave_under", "interleave_over"] = key("concat")
    """Several data sets: one after the other, or in turn until the first (`under`) or the last (`over`) ends."""

    template: Word | None = key(None)
    """LLaMA-Factory's name of the chat template. The tokenizer's own chat template is what is used; one that has none
    is lent that of the Qwen, Llama 3, Gemma, DeepSeek or ChatGLM family that is named."""

    system_prompt: str | None = key(None, max_length=20_000)
    """Text of the system turn of every prompt: the place to ask for the tags that rewards read. An empty text says
    that none is wanted."""

    default_system: str | None = key(None, max_length=20_000)
    """Text of the system turn for rows that bring none of their own, where system_prompt is not given."""

    enable_thinking: Switch | None = key(True)
    """Passed to chat templates that have a thinking mode (Qwen3)."""

    reasoning_tag: str = key("think", pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$")
    """Name of the tag that holds the reasoning: `think` for `<think>…</think>`."""

    answer_tag: str = key("answer", pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$")
    """Name of the tag that holds the final answer."""

    max_prompt_length: int | None = key(None, ge=1, le=10_000_000)
    """Longest prompt in tokens; rows with a longer one are left out and counted. With cutoff_len given too, the
    smaller one holds."""

    cutoff_len: int = key(2048, ge=1, le=10_000_000)
    """LLaMA-Factory's name for the same limit: here it bounds the prompt alone."""

    overwrite_cache: Switch = key(False)
    """Taken for LLaMA-Factory's sake: data sets are read afresh each time."""

    preprocessing_num_workers: int | None = key(None, ge=1, le=1024)
    """Taken for LLaMA-Factory's sake: data sets are read in one process."""

    dataloader_num_workers: int = key(0, ge=0, le=1024)
    """Processes that load batches while training."""
