"""Ask a model: one question, or a conversation.

  grpoctl ask "1 + 1?"                      the latest run
  grpoctl ask RUN "1 + 1?" --base           and the model before training, above it
  grpoctl ask RUN                           a conversation: a line a question
  grpoctl ask tiny "1 + 1?" --mode liberal --seed 3 max_completion_length=64
  grpoctl ask RUN < question.txt            the whole text is one question
  grpoctl ask RUN digit.png                 which digit is it? (engine mlp)
  grpoctl ask RUN --lines < lines.jsonl     for programs: a JSON object a line in, JSON lines out

RUN is a run, its folder or one of its checkpoints, or a model's folder or Hugging Face name. A single word that is none
of these is the question where it has a space, ends in ? or can be no name. The prompt is that of training, by the
recipe's system_prompt and the model's chat template; --raw sends the text as it stands. A question that looks like
key=value or begins with - is best given by standard input.

In a conversation /new starts over, /quit or Ctrl-D ends it, and Ctrl-C stops an answer.

With --lines, {"question": …, "mode"?: …, "seed"?: …} comes back as {"model": …, "text": …} piece by piece, and then
{"model": …, "done": true, "tokens": …, "truncated": …}, or {"error": …}; the models are loaded once."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from grpoctl.errors import Finding, GrpoctlError, InputError, nearest, printable

if TYPE_CHECKING:
    from pathlib import Path

    from grpoctl.asking import Interview
    from grpoctl.conversation import Voice
    from grpoctl.targets import Target

# What is longer fits no model, and would cost gigabytes to count the tokens of.
_MAX_BYTES = 4 * 2**20

_QUESTION_MARKS = ("?", "？")
# A path, or what a run or a model on the hub may be called.
_NAME = re.compile(r"[\w.~:@-]+|.*/.*", re.ASCII | re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="*", default=[], metavar="WORD", help="RUN or model (latest run); the question; key=value"
    )
    parser.add_argument("--mode", default="greedy", metavar="MODE", help="greedy, standard or liberal (greedy)")
    parser.add_argument("--base", action="store_true", help="the model before training as well")
    parser.add_argument("--checkpoint", type=int, metavar="N", help="the model as it was at step N")
    parser.add_argument("--seed", type=int, metavar="N", help="of the answer drawn (the recipe's)")
    parser.add_argument("--raw", action="store_true", help="no chat template, no system prompt")
    parser.add_argument("--lines", action="store_true", help="for programs: JSON lines in and out")
    parser.add_argument("--recipe", metavar="FILE", help="the recipe to ask a model by that no run made")


def run(args: argparse.Namespace) -> int:
    if not args.lines:
        return _run(args)
    from grpoctl.ask_lines import tell

    try:
        return _run(args)
    except GrpoctlError as error:
        tell({"error": str(error)})
        raise


def _run(args: argparse.Namespace) -> int:
    # pydantic and what stands on it take 0.15 s, which --help need not wait for.
    from grpoctl.asking import Interview
    from grpoctl.targets import find_target

    _check_mode(args.mode)
    overrides = [word for word in args.words if _is_override(word)]
    name, question = _name_and_question([word for word in args.words if not _is_override(word)])
    target, _ = find_target(name, overrides, args.checkpoint, recipe_file=args.recipe)
    if args.base and target.trained is None:
        fix = "leave --base out"
        raise InputError(Finding("is no run, and only a run has a model before training", fix, file=target.name))
    interview = Interview(target.recipe, target.base, args.mode, args.seed, raw=args.raw)
    if args.lines:
        return _answer_lines(interview, target, question, args)
    if question is None:
        question = _piped(args.raw)
    if question is not None:
        _refuse_a_picture_for_a_language_model(question, target)
        return _answer(interview, target, question, args.base, args.json)
    if args.json:
        fix = 'give one: grpoctl ask latest "1 + 1?" --json'
        raise InputError(Finding("takes a question with --json", fix, file="grpoctl ask"))
    return _converse(interview, target, args.base)


def _check_mode(mode: str) -> None:
    from grpoctl.evaluate import MODES

    if mode not in MODES:
        close = nearest(mode, MODES)
        fix = f"did you mean {close}?" if close else f"use {', '.join(MODES[:-1])} or {MODES[-1]}"
        raise InputError(Finding(f"is {printable(mode)[:40]}", fix, file="--mode"))


# --- what is asked of whom


def _is_override(word: str) -> bool:
    """Whether a word sets a key: a question may have a = in it too."""
    from grpoctl.recipe.llamafactory import REFUSED
    from grpoctl.recipe.other_names import OTHER_NAMES
    from grpoctl.recipe.schema import Recipe

    found = re.match(r"([A-Za-z_]\w*)(\.\w+)*=", word)
    names = [*Recipe.model_fields, *OTHER_NAMES, *REFUSED]
    if found is None or found[1] in names:
        return found is not None
    if word.endswith(_QUESTION_MARKS):
        return False
    # A key that is spelled wrong should be told so, and not be asked.
    return not _has_space(word) or nearest(found[1], names) is not None


def _name_and_question(words: Sequence[str]) -> tuple[str | None, str | None]:
    if len(words) > 2:
        fix = f'put it in quotes: grpoctl ask {words[0] if _is_here(words[0]) else "latest"} "…"'
        raise InputError(Finding("takes a run or model and one question", fix, file="grpoctl ask"))
    if len(words) == 2:
        return words[0], words[1]
    if not words:
        return None, None
    (word,) = words
    if not _is_here(word) and (
        _is_picture(word) or _has_space(word) or word.endswith(_QUESTION_MARKS) or not _NAME.fullmatch(word)
    ):
        return None, word
    return word, None


def _is_picture(word: str) -> bool:
    from grpoctl.paths import is_file, user_path

    return word.lower().endswith((".png", ".jpg", ".jpeg")) and is_file(user_path(word))


def _refuse_a_picture_for_a_language_model(question: str, target: "Target") -> None:
    if _is_picture(question) and not target.recipe.reads_pictures:
        problem = f"is a picture, and {printable(target.name)} is a language model"
        fix = f"name a run of engine mlp: grpoctl ask RUN {question}"
        raise InputError(Finding(problem, fix, file=question))


def _has_space(word: str) -> bool:
    return any(char.isspace() for char in word)


def _is_here(word: str) -> bool:
    """Whether a run or a model of that name is on this machine."""
    from grpoctl.model_files import find_model
    from grpoctl.paths import is_folder
    from grpoctl.run.directory import find_run

    if not word.strip():  # which as a path would be this folder
        return False
    try:
        find_run(word)
    except InputError:
        model = find_model(word)
        return model is not None and is_folder(model)
    return True


def _piped(raw: bool) -> str | None:
    """What comes by standard input, or None where a person sits there."""
    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        return None
    data = sys.stdin.buffer.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InputError(Finding(f"is longer than {_MAX_BYTES // 2**20} MiB", "ask a shorter one", file="question"))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InputError(Finding("is not UTF-8 text", "write it as such", file="question")) from None
    # The shell's echo ends a line that is none of the question.
    return text if raw else text.rstrip("\r\n")


# --- who answers


def _voices(target: "Target", base: bool) -> "Iterator[Voice]":
    """The models, loaded one after the other: the one before training first."""
    from grpoctl.conversation import Voice
    from grpoctl.targets import engine_of

    engine = engine_of(target)
    label = target.name if target.step is None else f"{target.name} at step {target.step}"
    models: list[tuple[str, Path | None]] = [(label, target.trained)]
    if base:
        models.insert(0, (f"{target.name} before training", None))
    for label, trained in models:
        print(f"loading {printable(label)} …", file=sys.stderr, flush=True)
        yield Voice(label, engine.open(target.recipe, target.base, trained))


def _answer(interview: "Interview", target: "Target", question: str, base: bool, as_json: bool) -> int:
    from grpoctl.asking import heading

    prompt = interview.prompt(question)
    told: list[dict[str, Any]] = []
    for voice in _voices(target, base):
        if base and not as_json:
            print(heading(voice.label), flush=True)
        ask = interview.answer if as_json else interview.show
        with interview.interrupt.taken():
            completion = ask(voice.sampler, prompt)
        if interview.interrupt.came():
            raise KeyboardInterrupt
        told.append(
            {
                "model": voice.label,
                "answer": completion.text,
                "tokens": completion.tokens,
                "truncated": completion.truncated,
                "mode": interview.mode,
                "seed": interview.seed,
                "prompt": prompt.text,
            }
        )
        del voice  # so that its memory is free for the next
    if as_json:
        *before, document = told
        print(json.dumps(document | ({"base": before[0]} if before else {})))
    return 0


def _answer_lines(interview: "Interview", target: "Target", question: str | None, args: argparse.Namespace) -> int:
    from grpoctl.ask_lines import answer_lines

    if question is not None or args.json:
        fix = f"leave {'--json' if args.json else 'the question'} out"
        raise InputError(Finding("reads its questions from standard input", fix, file="--lines"))
    if sys.stdin is not None:
        answer_lines(interview, list(_voices(target, args.base)), sys.stdin.buffer)
    return 0


def _converse(interview: "Interview", target: "Target", base: bool) -> int:
    from grpoctl.conversation import HELP, converse

    voices = list(_voices(target, base))
    print(HELP)
    if interview.lacks_template:
        print("its tokenizer has no chat template, so each question stands alone")
    converse(interview, voices)
    return 0
