"""The reward `math`: what it takes for equal, what it does not, and that no answer can hang, crash or swell it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from grpoctl.recipe.keys.grpo import RewardUse
from grpoctl.recipe.schema import Recipe
from grpoctl.rewards.math import math
from grpoctl.rewards.registry import all_rewards, ready_reward
from grpoctl.symbolic import judge
from grpoctl.symbolic.pairs import Pair
from grpoctl.symbolic.process import Verifier
from grpoctl.symbolic.server import TIME_LIMIT_S
from grpoctl.symbolic.statements import read_statement
from grpoctl.symbolic.text import MAX_LENGTH, NotMath

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "train.jsonl"
needs_math_verify = pytest.mark.skipif(find_spec("math_verify") is None, reason="math-verify is not installed")

# Answers that are right, with what was asked for.
RIGHT = [
    ("18", "18"), (r"\$18", "18"), ("+18", "18"), ("18", r"\boxed{18}"), ("18", "$18$"), (r"18 \text{ cm}", "18"),
    (r"\boxed{18}", "18"), ("18.0", "18"), ("36/2", "18"), ("1,234", "1234"),
    (r"\frac{1}{2}", "0.5"), ("0.25", r"\frac14"), (r"1\frac12", r"\frac{3}{2}"), (r"\(\frac{3}{4}\)", "0.75"),
    ("50%", "50%"), (r"50\%", "50%"), (r"\frac{1}{2} \text{ cm}", r"\frac{2}{4}"),
    (r"\sqrt{8}", r"2\sqrt{2}"), ("sqrt(8)", r"2\sqrt2"), ("2√2", r"\sqrt 8"),
    (r"$\frac{\sqrt3}{2}$", r"\frac12\sqrt3"),
    (r"\pi/2", r"\frac{\pi}{2}"), ("pi/2", r"\frac{\pi}{2}"), (r"e^{2}", r"\exp(2)"), ("5!", "120"), ("2^{10}", "1024"),
    (r"\log_2 8", "3"), (r"\binom{5}{2}", "10"), (r"|1-\sqrt{2}|", r"\sqrt2-1"), ("3+4i", "4i+3"), (r"90^\circ", "90"),
    ("x=4", "x = 4"), ("4", "x = 4"), ("x = 4", "4"), ("f(x) = x^2", "x^2"), ("y = 2x+1", "y = 1+2x"),
    ("2x+1", "y = 1+2x"), ("y-2x = 1", "y = 2x+1"), ("2x+4y = 6", "x+2y=3"), ("1011_2", r"1011_{2}"),
    ("x^2+2x+1", "(x+1)^2"), ("x(x+1)", "x^2+x"), ("n(n+1)/2", r"\frac{n^2+n}{2}"), ("ab+c", "c+ba"),
    (r"\dfrac{1}{2}x", r"\frac{x}{2}"), (r"\sin^2 x + \cos^2 x + x", "1 + x"), ("2xy", "2yx"),
    ("(1,2)", "(1, 2)"), (r"\left( 1, 2 \right)", "(1,2)"), (r"[0,\frac{2}{2})", "[0, 1)"), (r"x \in [1,2]", "[1, 2]"),
    (r"(-\infty,1)\cup(2,\infty)", r"(2,\infty)\cup(-\infty,1)"), (r"\{1,2\}", r"\{2, 1\}"), ("2, 1", r"\{1, 2\}"),
    (r"\{\sqrt{8},1\}", r"\{1, 2\sqrt2\}"), (r"2+\sqrt3, 2-\sqrt3", r"2\pm\sqrt3"), ("x=1, x=2", "x=2, x=1"),
    ("x>3", "3<x"), (r"x \ge 3", r"3 \le x"), (r"1<x<\frac{4}{2}", "1<x<2"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} \frac22 \\ 2 \end{pmatrix}"),
    ("90 degrees", r"90^\circ"), ("90度", "90°"), ("1.8k", "1800"), ("18h", "18 hours"),
    ("√10", r"\sqrt{10}"), ("2√10", r"2\sqrt{10}"), (r"\sqrt 10", r"\sqrt{10}"), ("sqrt 10", r"\sqrt{10}"),
    ("2θ", r"2\theta"), ("α+β", r"\beta+\alpha"), ("x⁴+1", "x^4+1"), ("½x", r"\frac{x}{2}"),
    (r"e^{i\pi/3}", r"\frac{1}{2}+\frac{\sqrt{3}}{2}i"), ("e^0+x", "1+x"),
    ("12π cm²", r"12\pi\text{ cm}^2"), ("12π square centimeters", r"12\pi\text{ cm}^2"), ("12π cm²", r"12\pi"),
    ("x = 1, x = 2", "1,2"), ("$1$, $2$", "1,2"), (r"$\frac12$, $2$", r"\frac12, 2"), ("{2,1}", r"\{1,2\}"),
    ("(x,y) = (3,4)", "(3,4)"), (r"0.\overline{3}", r"\frac{1}{3}"), (r"\frac16", r"0.1\overline{6}"),
    (r"\frac{1+\sqrt5}{2}, \frac{1-\sqrt5}{2}", r"\frac{1\pm\sqrt{5}}{2}"), ("(1±√5)/2", r"\frac{1\pm\sqrt{5}}{2}"),
    (r"1\frac{x}{2}", r"\frac{x}{2}"), (r"2\frac{x}{3}^2", r"\frac{2x^2}{9}"),
    ("A", r"\text{(A)}"), ("(A)", r"\text{(A)}"), ("Evelyn", r"\text{Evelyn}"), (r"\textbf{even}.", r"\text{Even}"),
]  # fmt: skip

# Answers to 18 that are wrong before any mathematics: prose, several answers, other signs.
NO_ANSWER_TO_18 = [
    "17 or 18", "18 or 17", "not 18", "x = 17 = 18", "x=18=17", "18=18=17", "17=18", "18, 17", "{17, 18}",
    r"\{17, 18\}", "(17, 18)", "[17,18]", "(18, 18)", r"\boxed{17} \boxed{18}", r"\boxed{17}, 18", "I think 18",
    "the answer is 18", "answer: 17", "final answer is 17 or 18", "17 18", "18 17", "18 18", "17;18", "17\n18",
    "17 and 18", "$17$ and $18$", "$17$, $18$", "$17$ $18$", r"17 \text{ or } 18", r"18 \text{or} 17",
    r"\text{not } 18", r"18 \text{ is wrong}", r"18 \text{ or so}", "1800%", r"180\%", "17.9%", "18?", "~18", "≈18",
    r"\approx 18", r"x \approx 18", r"\neg 18", r"\sim 18", "<18", ">18", "18<", "x<18", r"x \ne 18", r"\neq 18",
    r"\pm 18", r"18 \pm 1", "--18", "18-", "18+", "18*", "*18", "18**", "1 8", "18_7", "18_{10}", "18^T",
    r"18^{\top}", "18'", "18:1", "18x", "18 xy", "18m", "18 theta",
    "18^1x", r"18\pix", "18|", "|18", "18|_{x=1}", "18|^{2}", "(18",
    "18)", "((18)", "{18", "18}", "[18]", r"\{18\}", "18,", ",18", "18,,17", "1,8", "18. 17", "#18", "<b>18</b>",
    "<answer>17", "17&18", r"17\\18", "17|18", r"18\cup 17", r"\emptyset", r"\begin{pmatrix}18\end{pmatrix}",
    r"\max(17,18)", r"\gcd(18,36)", r"\int 18", r"18 \mod 19", "18 mod 20", r"\frac181", r"\overline{18}",
    r"\phantom{17}18", r"18\phantom{17}", "C(18,1)", "f(18)", "0x12", "18e0.5", "NaN", "inf", "oo", "None", "True",
    "", "  ", ".", "-", "1e999999", "9" * 5000, "(" * 10_000 + "18" + ")" * 10_000, "x" * 10_000_000,
    " " * 10_000_000 + "17",
]  # fmt: skip

# Wrong answers that mathematics has to tell from the right one, most of them near it.
WRONG: dict[str, list[str]] = {
    "18": [
        "17", "18.0001", "-18", "18!", "15(3)", "16(2)", "17+18", "18/0", "0/18", "1/18", r"18\pi", "18^2", "18^0",
        "0^18", "18 + 10^{-20}", "18+0.0000001", "18-10^{-30}", r"\sqrt{18}", r"\lfloor 18.9 \rfloor + 1", "18/1/2",
        "18i", "18e", r"\frac{18}{1}0", "18+e^0",
        r"\frac{18}{1}{2}", r"\frac{18}{1} \frac{1}{2}", "(18)(18)", "|17|+|0|", r"\infty", "1.8e2", "18.18", "18,000",
    ],
    r"\frac{1}{2}": [
        "1", "2", "1/3", r"-\frac12", r"\frac{2}{1}", r"\frac12\%", "0.5 or 1", r"\frac{1}{2}, 1", "0.50001", "0.499",
        r"\frac{1}{2}x", r"\frac12\frac12", r"1\frac12", "50%x",
    ],
    r"2\sqrt{2}": [
        "2.8284271247461903", "2.828427", r"\sqrt{2}", r"-2\sqrt2", r"\pm 2\sqrt2", r"2\sqrt{2}i", r"2\sqrt2, 1", "8",
        r"2\sqrt{2}+10^{-20}", r"\sqrt{8.0000001}", "sqrt 9", r"\sqrt[3]{8}",
    ],
    r"\frac{\pi}{2}": ["1.5707963267948966", "1.5708", "90", r"90^\circ", r"\pi", r"2/\pi", r"\frac{22}{14}", "3.14/2"],
    "2s": ["2", "2m"],
    "3m": ["3", "3 h"],
    "18 xy": ["18", "xy"],
    r"\frac{1}{2}h": [r"\frac{1}{2}", "0.5"],
    "2k": ["2000", "2"],
    r"\frac{1\pm\sqrt5}{2}": [r"\frac{1+\sqrt5}{2}", r"1\pm\sqrt5", r"\frac{1\pm\sqrt3}{2}"],
    r"\text{(A)}": ["B", "(B)", "AB", "18", r"\text{not A}"],
    "0.\\overline{3}": ["0.3", "0.333", "3"],
    "50%": ["0.51%", "5%", "51%", "50%%", "5000%", "50, 50%", "fifty"],
    "x = 4": [
        "y=4", "x=5", "5", "x=4=5", "x=4, 5", "x=4, x=5", "x>4", r"x \ne 4", "4x", "x", "2x=9", "x^2=16", r"x=\pm 4",
    ],
    "y = 2x+1": [
        "2x", "y=2x", "x=2y+1", "y=x+1", "2y+1", "y=2x+1=0", "y>2x+1", "y=2x-1", "2x+1=0", "y=2x+1, y=0", "y=2X+1",
    ],
    "x^2=4": ["x=2", "x=-2", "2", r"x=\pm2", "x^2=5", "x=4", "4", "x^2>4", "x^4=16", "(x-2)=0", "x^2-4"],
    "x > 3": ["x<3", r"x \ge 3", "x=3", "3", "3>x", "x>4", "y>3", "x>3, x<5", "-x>3", r"x \ne 3", "x>3 or x<1"],
    "1 < x < 2": ["1<x", "x<2", "1<x<3", r"1 \le x < 2", "2<x<1", "1>x>2", "(1,2)", "1<y<2"],
    "(1, 2)": [
        "1,2", "(2,1)", "[1,2]", "[1,2)", "(1,2]", r"\{1,2\}", "(1,2,3)", "1", "12", "(1.2)", "(1,2),(3,4)", "1 2",
        "(1, 2.0000001)",
    ],
    "[0, 1)": ["(0,1)", "[0,1]", "(0,1]", "[0,2)", "[1,0)", "0,1", "[0,1", "{0,1}", r"[0,1)\cup[0,1)"],
    r"\{1, 2\}": ["(1,2)", "[1,2]", r"\{1\}", r"\{1,2,3\}", r"\{1,3\}", "1", r"\{1,1\}", r"\{12\}", r"\{2,2\}"],
    "1, 2": ["1", "2", "1,3", "(1,2)", "12", "1,2,3", "1.2", "1 2", "1 or 2 or 3", "1/2", "1,2,2"],
    r"2\pm\sqrt3": [r"2+\sqrt3", r"2\pm\sqrt2", "2", r"-2\pm\sqrt3", r"2\pm\sqrt3, 1", r"2+\sqrt3, 2+\sqrt3"],
    "(x+1)^2": [
        "x^2+1", "x^2+2x", "(x-1)^2", "(y+1)^2", "(x+1)", "x^2+2x+1.0000001", "2(x+1)", "(x+1)^3", "(X+1)^2",
        "-(x+1)^2", "(x+1)^2=0", "x=(y+1)^2",
    ],
    "A+a": ["2a", "2A", "a", "A-a", "a+a"],
    "2^{64}-1": ["2^{64}", "2^{64}-2", "18446744073709551616", "2^{63}", "1.8446744073709552e19"],
    "3+4i": ["3-4i", "4+3i", "7", "5", "3+4", "3+4j", "3", "7i", "3+4x"],
    "1011_2": ["1011_3", "11", "1011", "1010_2", "11_{10}"],
    r"\frac12 \text{ cm}": [r"\frac12\text{ m}", "0.6 cm", r"\frac12 \text{ kg}", r"\frac13\text{ cm}"],
    r"\begin{pmatrix}1\\2\end{pmatrix}": [
        "(1,2)", r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}",
    ],
}  # fmt: skip
ALL_WRONG = [*((said, "18") for said in NO_ANSWER_TO_18), *((said, gold) for gold in WRONG for said in WRONG[gold])]

HOSTILE = [
    "9^9^9^9", "99999!", r"\binom{10^9}{5*10^8}", "10^{10^{10}}", r"\sin(9^{9^9})", "(x+1)^{9999}",
    "(((((x+1)^9+1)^9+1)^9+1)^9+1)^9", "^".join("2" * 99), "5" + "!" * 190, "(" * 16 + "x" + ")^9" * 16,
]  # fmt: skip


def tagged(text: str) -> str:
    return f"<answer>{text}</answer>"


def short(part: object) -> str:
    return str(part)[:40]


class Credulous:
    """Takes every pair that reaches it for equal, or none."""

    def __init__(self, verdict: bool) -> None:
        self._verdict = verdict

    def judge(self, pairs: Sequence[Pair]) -> list[bool]:
        return [self._verdict for _ in pairs]


# --- what is settled before math-verify


@pytest.mark.parametrize("said", NO_ANSWER_TO_18, ids=short)
def test_what_is_no_answer_earns_nothing_whatever_math_verify_would_say(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grpoctl.rewards.math.shared", Credulous(True))
    assert math([tagged(said)], ["18"]) == [0.0]


@pytest.mark.parametrize(("said", "gold"), ALL_WRONG, ids=short)
def test_no_wrong_answer_is_right_as_it_is_written(said: str, gold: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpoctl.rewards.math.shared", Credulous(False))
    assert math([tagged(said)], [gold]) == [0.0]


@pytest.mark.parametrize(("said", "gold"), RIGHT)
def test_every_right_answer_is_left_to_math_verify_or_right_already(
    said: str, gold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grpoctl.rewards.math.shared", Credulous(True))
    assert math([tagged(said)], [gold]) == [1.0]


def test_there_are_hundreds_of_wrong_answers() -> None:
    assert len(set(ALL_WRONG)) > 300


def test_the_last_complete_tag_counts() -> None:
    texts = ["18", "<answer>18", "<answer>17</answer><answer>18</answer>", "<answer>18</answer> or <answer>17</answer>"]
    assert math([*texts, r"\boxed{18}<answer>0</answer>"], ["18"] * 5) == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert math(["<final>18</final>", tagged("18")], ["18"] * 2, answer_tag="final") == [1.0, 0.0]


def test_equal_text_is_right_though_it_is_no_expression_or_a_long_one() -> None:
    for gold in ("no solution", "1 + " * MAX_LENGTH + "1"):
        assert math([tagged(f" {gold}\n")], [gold]) == [1.0]


def test_an_answer_longer_than_the_limit_is_not_read() -> None:
    fits = "1+" * (MAX_LENGTH // 2 - 1) + "x0"[:1]
    assert read_statement(fits).letters == {"x"}
    with pytest.raises(NotMath, match="characters"):
        read_statement(fits + " " * MAX_LENGTH)


@pytest.mark.parametrize(
    "gold", ["no solution", "Evelyn", "", "cat", r"\text{odd} + 1", "1 +", r"\foo{3}", "(1", "x" * 300]
)
def test_a_gold_answer_that_is_no_expression_is_an_error_of_its_row(gold: str) -> None:
    with pytest.raises(ValueError, match="use accuracy where answers are texts"):
        math([tagged("18")], [gold])
    assert math(["no tag"], [gold]) == [0.0]


def test_nested_mixed_numbers_are_read_once() -> None:
    text = "x"
    for _ in range(15):
        text = rf"1\frac{{{text}}}2"
    began = time.monotonic()
    assert read_statement(text).letters == {"x"}  # each level read twice would be 2^15 readings, seconds
    assert time.monotonic() - began < 0.1


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("15(3)", "Integer(15)*Integer(3)"),  # in place of 15 3/1
        (r"1\frac12", "Rational(3, 2)"),
        ("1/2x", "Integer(1)/(Integer(2)*x120)"),  # 120 is x's number
        ("2^3^2", "Integer(2)**(Integer(3)**(Integer(2)))"),
        ("-x^2", "-x120**(Integer(2))"),
        ("d x", "x100*x120"),  # in place of a differential
        ("X", "x88"),
        ("0.5", "Rational(1, 2)"),
        ("i^2", "I**(Integer(2))"),
        (r"\sin 2x \cos x", "sin(Integer(2)*x120)*cos(x120)"),
        ("a-(b-c)", "x97-(x98-x99)"),
        (r"\log_2 8 + \log 5 + \ln e", "log(Integer(8), Integer(2))+log(Integer(5), Integer(10))+log(E)"),
        (r"\arcsin x", "asin(x120)"),
        (r"x/y/z", "(x120/x121)/x122"),
        (r"\sqrt[3]{5}!", "factorial(root(Integer(5), Integer(3)))"),
    ],
)
def test_what_math_verify_gets_can_be_read_in_one_way(text: str, canonical: str) -> None:
    assert read_statement(text).body == canonical


def test_every_gold_answer_of_gsm8k_is_right_and_no_neighbour_is() -> None:
    if not GSM8K.exists():
        pytest.skip("GSM8K is not beside the project")
    rows = [json.loads(line)["answer"] for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    gold = [row.rpartition("####")[2].strip() for row in rows]
    assert len(gold) == 7473
    assert set(math([tagged(text) for text in gold], gold)) == {1.0}
    shifted = [str(float(text.replace(",", "")) + 1) for text in gold]
    assert set(math([tagged(text) for text in shifted], gold)) == {0.0}


def test_the_registry_has_it_as_a_slow_reward() -> None:
    assert all_rewards()["math"].slow
    ready = ready_reward(RewardUse(use="math"), Recipe(answer_tag="final"))
    assert ready.score(["<final>18</final>"], {"answer": ["18"]}) == [1.0]


# --- math-verify itself


@needs_math_verify
@pytest.mark.parametrize(("said", "gold"), RIGHT)
def test_a_right_answer_earns_1(said: str, gold: str) -> None:
    assert math([tagged(said)], [gold]) == [1.0]


@needs_math_verify
def test_a_wrong_answer_earns_nothing() -> None:
    scores = math([tagged(said) for said, _ in ALL_WRONG], [gold for _, gold in ALL_WRONG])
    assert [pair for pair, score in zip(ALL_WRONG, scores, strict=True) if score != 0.0] == []


@needs_math_verify
def test_the_right_answer_to_another_problem_earns_nothing() -> None:
    golds = [gold for gold in WRONG if gold not in (r"\{1, 2\}", r"\frac12 \text{ cm}", "50%")]  # equal to others here
    pairs = [(said, gold) for said in golds for gold in golds if said != gold]
    scores = math([tagged(said) for said, _ in pairs], [gold for _, gold in pairs])
    assert [pair for pair, score in zip(pairs, scores, strict=True) if score != 0.0] == []


@needs_math_verify
@pytest.mark.parametrize("said", HOSTILE, ids=short)
def test_a_hostile_answer_costs_a_second_at_most_and_the_next_is_judged(said: str) -> None:
    math([tagged(r"\sqrt{8}")], [r"2\sqrt{2}"])  # the start of the server is no part of it
    began = time.monotonic()
    assert math([tagged(said)], ["(x+1)^2"]) == [0.0]
    assert time.monotonic() - began < 1.0
    assert math([tagged(r"\sqrt{12}")], [r"2\sqrt{3}"]) == [1.0]


def test_without_math_verify_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    with pytest.raises(RuntimeError) as caught:
        judge.prepare()
    assert str(caught.value) == "math needs math-verify: pip install math-verify"


# --- the process, with a judge that does as it is told

FAKE_JUDGE = """
import os, signal, time
from pathlib import Path
kept = []
def prepare(): pass
def read(node):
    what, _, path = node.partition(":")
    if path: Path(path).write_text(str(os.getpid()))
    if what == "unreadable": return None
    if what == "raises": raise ZeroDivisionError
    if what == "sleeps": time.sleep(60)
    if what == "stuck": pow(9, 9**9)  # in C, where no Python signal handler gets a turn
    if what == "greedy": bytearray(1 << 30)
    if what == "keeps": kept.append(bytearray(100 << 20)); return "a"
    if what == "exits": os._exit(5)
    if what == "crashes": os.kill(os.getpid(), signal.SIGSEGV)
    if what == "prints": os.write(1, b"1111"); print("1111", flush=True)
    if what == "kills the server": os.kill(os.getppid(), signal.SIGKILL)
    if what == "kills both": os.kill(os.getppid(), signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)
    if what == "kills both once" and not Path(path + ".done").exists():
        Path(path + ".done").touch(); os.kill(os.getppid(), signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)
    return what
def same(gold, said): return gold == said
"""


@pytest.fixture
def fake_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "fake_judge.py").write_text(FAKE_JUDGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "fake_judge"


@pytest.fixture
def verifier(fake_judge: str) -> Iterator[Verifier]:
    started = Verifier(fake_judge)
    yield started
    started.close()


def is_running(pid: int) -> bool:
    """Whether the process does anything: a dead one whose parent has not asked for it is in state Z."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid: int) -> bool:
    for _ in range(500):
        if not is_running(pid):
            return True
        time.sleep(0.01)
    return False


def test_verdicts_come_in_order_and_the_server_stays(verifier: Verifier) -> None:
    assert verifier.judge([]) == []
    assert verifier.pid is None  # it starts with the first pair that needs it
    assert verifier.judge([Pair("a", "a"), Pair("a", "b"), Pair("b", "b"), Pair("a", "a")]) == [True, False, True, True]
    first = verifier.pid
    assert verifier.judge([Pair("c", "c")]) == [True]
    assert verifier.pid == first


@pytest.mark.parametrize("hostile", ["sleeps", "stuck", "greedy", "exits", "crashes", "raises", "unreadable", "prints"])
def test_a_hostile_answer_is_wrong_and_those_after_it_are_judged(verifier: Verifier, hostile: str) -> None:
    verifier.judge([Pair("a", "a")])
    server = verifier.pid
    began = time.monotonic()
    assert verifier.judge([Pair("a", "a"), Pair("a", hostile), Pair("a", "a"), Pair("b", "b"), Pair("b", "a")]) == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert time.monotonic() - began < 1.0
    assert verifier.pid == server


@pytest.mark.parametrize("gold", ["sleeps", "stuck", "greedy", "exits", "crashes", "raises", "unreadable"])
def test_a_gold_answer_that_cannot_be_read_is_told_and_never_a_wrong_answer(verifier: Verifier, gold: str) -> None:
    verifier.judge([Pair("a", "a")])
    began = time.monotonic()
    pairs = [Pair("a", "a"), Pair(gold, "a"), Pair(gold, "b"), Pair(gold, "c"), Pair("b", "b")]
    assert verifier.judge(pairs) == [True, None, None, None, True]
    assert time.monotonic() - began < 1.0  # one time limit for the three


def test_many_hostile_answers_cost_a_time_limit_each(verifier: Verifier) -> None:
    verifier.judge([Pair("a", "a")])
    began = time.monotonic()
    pairs = [Pair(gold, said) for gold in "abc" for said in ("sleeps", gold)]
    assert verifier.judge(pairs) == [False, True] * 3
    assert 3 * TIME_LIMIT_S < time.monotonic() - began < 3 * 1.0


def test_a_worker_that_has_grown_is_replaced_before_an_innocent_pair_pays(verifier: Verifier, tmp_path: Path) -> None:
    # 100 MiB are kept each time, and 150 MiB are the limit: the second would fail in the same worker.
    pairs = [Pair("a", f"keeps:{tmp_path / str(number)}") for number in range(4)]
    assert verifier.judge(pairs) == [True] * 4
    assert len({(tmp_path / str(number)).read_text() for number in range(4)}) == 4


def test_a_batch_of_megabytes_comes_through(verifier: Verifier) -> None:
    pairs = [Pair(f"{number:0200}", f"{number:0200}" if number % 2 else "b") for number in range(20_000)]
    assert verifier.judge(pairs) == [bool(number % 2) for number in range(20_000)]


def test_a_server_killed_between_batches_is_started_again(verifier: Verifier) -> None:
    verifier.judge([Pair("a", "a")])
    for _ in range(3):
        first = verifier.pid
        assert first
        os.killpg(first, signal.SIGKILL)
        assert verifier.judge([Pair("a", "a"), Pair("a", "b")]) == [True, False]
        assert verifier.pid != first


def test_an_idle_worker_that_was_killed_is_replaced_and_nobody_is_blamed(verifier: Verifier, tmp_path: Path) -> None:
    verifier.judge([Pair("a", f"a:{tmp_path / 'worker'}")])
    for _ in range(5):
        os.kill(int((tmp_path / "worker").read_text()), signal.SIGKILL)
        assert verifier.judge([Pair("a", f"a:{tmp_path / 'worker'}"), Pair("a", "b")]) == [True, False]


def test_a_server_killed_alone_leaves_its_worker_to_finish_the_batch(verifier: Verifier) -> None:
    assert verifier.judge([Pair("a", "a"), Pair("a", "kills the server"), Pair("b", "b")]) == [True, False, True]
    assert verifier.judge([Pair("a", "sleeps"), Pair("a", "a")]) == [False, True]


def test_a_server_killed_during_a_batch_is_started_again_and_the_batch_goes_on(
    verifier: Verifier, tmp_path: Path
) -> None:
    pairs = [Pair("a", "a"), Pair("b", f"kills both once:{tmp_path / 'it'}"), Pair("b", "b"), Pair("c", "a")]
    assert verifier.judge(pairs) == [True, False, True, False]


def test_a_server_killed_twice_in_a_batch_is_an_error_and_the_next_batch_starts_anew(verifier: Verifier) -> None:
    with pytest.raises(RuntimeError, match="was killed twice"):
        verifier.judge([Pair("a", "a"), Pair("a", "kills both")])
    assert verifier.judge([Pair("a", "a")]) == [True]


def test_four_threads_share_one_server(verifier: Verifier) -> None:
    wrong: list[object] = []
    servers: set[int | None] = set()

    def ask(mine: str) -> None:
        for number in range(50):
            pairs = [Pair(mine, mine), Pair(mine, f"{mine}{number}"), Pair(f"{mine}{number}", f"{mine}{number}")]
            if (verdicts := verifier.judge(pairs)) != [True, False, True]:
                wrong.append(verdicts)
            servers.add(verifier.pid)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(servers) == 1


PRELUDE = """
import os, signal, threading
from grpoctl.symbolic.pairs import Pair
from grpoctl.symbolic.process import Verifier
v = Verifier("fake_judge")
"""


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-W", "error", "-c", PRELUDE + program]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def test_a_forked_process_has_a_server_of_its_own(fake_judge: str) -> None:
    program = """
assert v.judge([Pair("a", "a")]) == [True]
mine = v.pid
held = threading.Event()
def hold():
    with v._lock:
        held.set(); threading.Event().wait(1)
threading.Thread(target=hold, daemon=True).start()
held.wait()  # the child must not wait for a lock that nobody in it will give back
child = os.fork()
if child == 0:
    fine = v.judge([Pair("a", "a"), Pair("a", "b")]) == [True, False] and v.pid != mine
    v.close()
    os._exit(0 if fine else 1)
assert os.waitpid(child, 0)[1] == 0
assert v.judge([Pair("a", "b"), Pair("b", "b")]) == [False, True] and v.pid == mine
"""
    done = run_python(program)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit(0)"])
def test_nothing_is_left_when_the_interpreter_ends(fake_judge: str, tmp_path: Path, end: str) -> None:
    done = run_python(
        f"v.judge([Pair('a', 'a:{tmp_path / 'worker'}')])\nprint(v.pid, flush=True)\n"
        "assert os.getpgid(v.pid) == v.pid != os.getpgid(0)\n" + end
    )
    assert done.stderr == ""
    assert ends(int(done.stdout))
    assert ends(int((tmp_path / "worker").read_text()))


def test_nothing_is_left_when_the_parent_is_killed_in_the_middle_of_a_batch(fake_judge: str, tmp_path: Path) -> None:
    done = run_python(
        "v.judge([Pair('a', 'a')])\nprint(v.pid, flush=True)\n"
        "threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()\n"
        f"v.judge([Pair('a', 'sleeps:{tmp_path / 'worker'}')] + [Pair('b', 'sleeps')])\n"
    )
    assert done.returncode == -signal.SIGKILL
    assert ends(int(done.stdout))
    assert ends(int((tmp_path / "worker").read_text()))


def test_a_judge_that_cannot_start_says_why_and_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_judge.py").write_text(
        f"open({str(tmp_path / 'starts')!r}, 'a').write('.')\ndef prepare(): raise RuntimeError('it needs a thing')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = Verifier("broken_judge")
    for _ in range(3):
        with pytest.raises(RuntimeError, match=r"^it needs a thing$"):
            broken.judge([Pair("a", "a")])
    assert (tmp_path / "starts").read_text() == "."
    broken.close()
