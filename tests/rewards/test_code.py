"""What programs earn: whose code is taken, which tests are tests, and that a hostile one harms nobody beside it."""

import sys
import time
import tracemalloc
from typing import Any

import pytest

from grpoctl.rewards import code as module
from grpoctl.rewards.code import code, code_in, compiles, read_tests
from grpoctl.sandbox.process import SandboxError
from grpoctl.sandbox.verdict import Example

linux = pytest.mark.skipif(sys.platform != "linux", reason="code is run on Linux alone")

RIGHT = "```python\ndef double(x):\n    return 2 * x\n```"
WRONG = "```python\ndef double(x):\n    return x + 2\n```"
ASSERTS = ["assert double(2) == 4", "assert double(5) == 10", "assert double(-1) == -2", "assert double('a') == 'aa'"]


def block(source: str) -> str:
    return f"I think so.\n```python\n{source}\n```\nDone."


# --- scores


@linux
def test_all_three_forms_of_tests_pay_for_a_right_program_and_not_for_a_wrong_one() -> None:
    both = [RIGHT, WRONG]
    assert code(both, ["\n".join(ASSERTS)] * 2) == [1.0, 0.0]
    assert code(both, [ASSERTS] * 2) == [1.0, 0.0]
    programs = [block("print(2 * int(input()))"), block("print(2 + int(input()))")]
    assert code(programs, [[{"input": "2", "output": "4"}, {"input": "5\n", "output": "10\n"}]] * 2) == [1.0, 0.0]


@linux
def test_partial_pays_the_share_of_tests() -> None:
    # x + 2 is 2x where x is 2, and raises on a text.
    assert code([RIGHT, WRONG], [ASSERTS] * 2, partial=True) == [1.0, 0.25]
    programs = [block("print(2 + int(input()))")]
    examples = [{"input": "2", "output": "4"}, {"input": "5", "output": "10"}]
    assert code(programs, [examples], partial=True) == [0.5]


@linux
@pytest.mark.parametrize("tests", [None, "", " \n", []])
def test_a_row_without_tests_is_left_to_other_rewards(tests: Any) -> None:
    assert code([RIGHT, RIGHT, ""], [tests, ASSERTS, tests]) == [None, 1.0, None]


@linux
def test_no_code_earns_nothing() -> None:
    assert code(["", "def double(x): return 2 * x", "<answer></answer>"], [ASSERTS] * 3) == [0.0, 0.0, 0.0]
    assert compiles(["", "x = 1", "```python\nx = 1"]) == [0.0, 0.0, 0.0]


@linux
def test_compiles_pays_for_python_and_does_not_run_it() -> None:
    completions = [block("x = 1"), block("x ="), block("import time; time.sleep(60)"), "<answer>x = 1</answer>"]
    began = time.monotonic()
    assert compiles(completions) == [1.0, 0.0, 1.0, 1.0]
    assert time.monotonic() - began < 5


@linux
def test_an_answer_that_is_no_program_does_not_compile() -> None:
    for answer in ("18", "yes", "x + 1", "", "# 18", "'18'", "[1, 2]"):
        assert compiles([f"<answer>{answer}</answer>", block(answer)]) == [0.0, 0.0], answer
    assert compiles(["<answer>print(18)</answer>", "<answer>import os</answer>", block("x: int")]) == [1.0, 1.0, 1.0]


@linux
def test_code_as_long_as_it_may_be_is_run_and_longer_is_not() -> None:
    source = "def double(x):\n    return 2 * x\n"
    longest = source + "#" * (module.MAX_CODE - len(source))
    assert code([block(longest), block(longest + "#")], [ASSERTS] * 2) == [1.0, 0.0]


@linux
def test_the_answer_tag_is_the_recipes() -> None:
    completion = f"{RIGHT}\n<final>def double(x): return 3 * x</final>"
    assert code([completion], [ASSERTS]) == [1.0]
    assert code([completion], [ASSERTS], answer_tag="final") == [0.0]


@linux
def test_hostile_programs_beside_good_ones_cost_their_own_reward_alone() -> None:
    hostile = [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "import os\nos.kill(os.getppid(), 9)",
        "import time\ntime.sleep(60)",
        "kept = []\nwhile True: kept.append(bytearray(10**6))",
        "while True: print('x' * 10**6)",
        "import os\nos._exit(0)",
        "import sys\nprint('passed')\nsys.exit(0)",
        "import socket\nsocket.create_connection(('127.0.0.1', 80))",
    ]
    completions = [text for source in hostile for text in (block(source), RIGHT)]
    # 1.5 s and not the default 1, as a machine that has much to do may keep a good one from its turn.
    assert code(completions, [ASSERTS] * len(completions), timeout_s=1.5) == [0.0, 1.0] * len(hostile)


# --- faults of the data, which are no fault of the model


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        (5, "tests is 5 (int); give assert lines, a list of them, or a list of {input, output}."),
        ({"inputs": []}, "tests is a mapping (dict); give assert lines, a list of them, or a list of {input, output}."),
        (["assert x", 5], "tests: has 5 (int) in its list; give texts alone or {input, output} alone."),
        ([5], "tests: has 5 (int) in its list; give texts alone or {input, output} alone."),
        (
            ["assert x", {"input": "", "output": ""}],
            "tests: has a mapping (dict) in its list; give texts alone or {input, output} alone.",
        ),
        (["assert x", "assert ="], 'tests: number 2 (the text "assert =") is no Python (invalid syntax); mend it.'),
        ("assert '\0'", None),
        ("assert '\ud800'", None),
        ("assert " + "(" * 1000 + ")" * 1000, None),
        ("return 1", """tests: number 1 (the text "return 1") is no Python ('return' outside function); mend it."""),
        ('["assert x"]', """tests: number 1 (the text "["assert x"]") tests nothing; write assert lines."""),
        (["assert x", " "], """tests: number 2 (the text " ") tests nothing; write assert lines."""),
        ("# assert x", """tests: number 1 (the text "# assert x") tests nothing; write assert lines."""),
        ([{"input": "1"}], "tests: the output of number 1 is empty (NoneType); give the text to be printed."),
        ([{"input": "1", "output": 2}], "tests: the output of number 1 is 2 (int); give the text to be printed."),
        ([{"input": 1, "output": "2"}], "tests: the input of number 1 is 1 (int); give the text to be read."),
    ],
)  # fmt: skip
def test_tests_that_are_none_are_told(tests: Any, message: str | None) -> None:
    with pytest.raises(ValueError) as caught:
        code([""], [tests])
    assert message is None or str(caught.value) == message
    assert str(caught.value).isprintable()


def test_tests_are_read_before_any_program_runs() -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match="tests is 5"):
        code([block("import time; time.sleep(60)")] * 8, [ASSERTS] * 7 + [5])
    assert time.monotonic() - began < 0.5


def test_tests_without_an_input_read_nothing() -> None:
    assert read_tests([{"output": "1"}, {"input": None, "output": "2", "more": 3}]) == [
        Example("", "1"),
        Example("", "2"),
    ]
    assert read_tests(("assert x", "assert y")) == ["assert x", "assert y"]


def test_a_sandbox_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SandboxError, match="use Linux"):
        code([RIGHT], [ASSERTS])
    with pytest.raises(SandboxError, match="use Linux"):
        compiles([RIGHT])


@pytest.mark.parametrize("limits", [{"timeout_s": 0.0}, {"memory_mib": 1}])
def test_limits_are_checked_before_anything_runs(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r" is .*; give "):
        code([""], [None], **limits)
    with pytest.raises(ValueError, match=r" is .*; give "):
        compiles([""], **limits)


# --- whose code


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("```python\na\n```", "a"),
        ("```py\na\n```", "a"),
        ("```Python3 \r\na\r\n```", "a"),
        ("```\na\n```", "a"),
        ("````\n```\na\n```\n````", "```\na\n```"),
        ("text\n```python\na\n```\ntext\n```python\nb\n```\ntext", "b"),
        # What is printed often follows the program, in a block that says nothing.
        ("```python\na\n```\nprints\n```\n5\n```", "a"),
        ("```\na\n```\nor\n```\nb\n```", "b"),
        ("```python\na\n```\n```bash\nls\n```\n```json\n{}\n```", "a"),
        ("```bash\nls\n```", None),
        ("```python\na\n```\nand\n```python\nb", "a"),
        ("```python\na", None),
        ("a ```python b ```", None),
        ("1. so:\n   ```python\n   if a:\n       b\n   ```", "if a:\n    b"),
        ("```python\n\n  if a:\n    b\n```", "if a:\n  b"),
        ("<answer>a</answer>", "a"),
        ("<answer>\n  if a:\n      b\n</answer>", "if a:\n    b"),
        ("<answer> a = 1\nb = 2 </answer>", "a = 1\nb = 2"),
        ("```python\na\n```<answer>b</answer>", "b"),
        ("<answer>a</answer><answer>\n```python\nb\n```</answer>\n```python\nc\n```", "b"),
        ("<answer>```python\nb\n```\n</answer>", "b"),
        ("<answer>b", None),
        ("```python\na\n```\n<answer>b", "a"),
        ("<answer></answer>", ""),
        ("", None),
        ("def a(): pass", None),
    ],
)
def test_the_code_of_a_completion_is(completion: str, expected: str | None) -> None:
    assert code_in(completion) == expected


HUGE = {
    "backticks": "`" * 10_000_000,
    "fences": "```\n" * 2_500_000,
    "lines": "\n" * 10_000_000,
    "spaces": " " * 10_000_000,
    "indented lines": (" " * 16 + "\n") * 600_000,
    "an unclosed block": "```python\n" + "x" * 10_000_000,
    "labels": "```x\n" * 2_000_000,
    "half fences": "``\n" * 3_300_000,
    "one closed block": "```python\n" + "\n " * 5_000_000 + "\n```",
    "tags": "<answer>" * 1_250_000 + "</answer>",
    "a tag of lines": f"<answer>{chr(10) * 10_000_000}</answer>",
    "wide letters": "\n```\U0001f600" * 1_400_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_ten_million_characters_are_searched_in_less_than_a_second(name: str) -> None:
    began = time.monotonic()
    source = code_in(HUGE[name])
    assert time.monotonic() - began < 1
    assert source is None or len(source) <= module.MAX_CODE
    tracemalloc.start()
    code_in(HUGE[name])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20  # a second text of it at most, which four bytes a letter make 56 MB
