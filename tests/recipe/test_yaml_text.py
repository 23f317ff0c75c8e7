from pathlib import Path

import pytest

from grpoctl.errors import Finding
from grpoctl.recipe.yaml_text import MAX_BYTES, parse, read_text, scalar


def only(text: str) -> Finding:
    """The one finding of a text."""
    (finding,) = parse(text, "r.yaml").findings
    return finding


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),  # PyYAML reads this as text
        ("5.0e-7", 5e-7),
        ("no", "no"),  # and this as false
        ("1:30", "1:30"),  # and this as 90
        ("010", 10),  # and this as 8
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("-3", -3),
        ("9" * 19, float("9" * 19)),  # no 18-digit limit is needed for anything a recipe counts
        (".inf", float("inf")),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert scalar(text) == value


def test_quoted_values_stay_text() -> None:
    assert parse("a: '64'\nb: \"true\"\nc: |-\n  1e-4", "r.yaml").value == {"a": "64", "b": "true", "c": "1e-4"}


def test_every_key_and_item_has_its_line() -> None:
    parsed = parse("# head\na: 1\nb:\n  c: 2\n  d:\n    - x\n    - {e: 3}\n", "r.yaml")
    assert parsed.lines == {
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "d"): 5,
        ("b", "d", 0): 6,
        ("b", "d", 1): 7,
        ("b", "d", 1, "e"): 7,
    }


def test_a_key_given_twice_is_refused_at_the_second_line() -> None:
    assert str(only("a: 1\nb: 2\na: 3")) == "r.yaml:3: a: is given twice, first on line 1; keep one of them."


def test_aliases_are_read() -> None:
    assert parse("a: &x [1, 2]\nb: *x", "r.yaml").value == {"a": [1, 2], "b": [1, 2]}


def test_json_is_read_too() -> None:
    assert parse('{"a": {"b": [1, 2.5, null, true, "x"]}}', "d.json").value == {"a": {"b": [1, 2.5, None, True, "x"]}}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "holds more than 2,000 values"),
        ("a: &a [*a]", "names *a inside or before its own anchor"),
        ("a: *b", "names *b inside or before its own anchor"),
        ("[" * 5000, "is nested more than 16 deep"),
        ("a: " + "{b: " * 50, "is nested more than 16 deep"),
        ("x:\n" + "- a\n" * 30_000, "holds more than 2,000 values"),
        ("a: !!python/object/apply:os.system [ls]", "has the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !custom 1", "has the tag !custom"),
        ("a: 1\n---\nb: 2", "starts a second document"),
        ("<<: {a: 1}", "has a merge key (<<)"),
        ("? [a, b]\n: c", "has a list, mapping or alias as a key"),
        ("a:\n\tb: 1", "has a tab where YAML wants spaces"),
        ("a: b: c", "has a colon inside a plain value"),
        ("a: 1\nb: [1, 2\nc: 3\n", "r.yaml:2: opens a bracket that is not closed; close it."),
        ("a: 'x\nb: 1\n", "r.yaml:1: opens a quote that is not closed; close it."),
        ("a: 1\n  b: 2", "r.yaml:2: is indented otherwise than the lines around it; start every key at the margin."),
        ("a: 1\n  b: 2\n  c: 3\n", "r.yaml:2: is indented otherwise than the lines around it"),
        ("  a: 1\nb: 2", "r.yaml:1: is indented otherwise than the lines around it"),
        ("a:1\nb: 2", "r.yaml:1: has no space behind its colon; write key: value."),
        ("a: 1\nb:x\nc: 2", "r.yaml:2: has no space behind its colon; write key: value."),
        ("a: 1\nbroken\nb: 2", "has a line that is no key: value"),
        ("a: \x07", "has a control character"),
        ('a: "x\\0y"', "holds a NUL character"),
        ('a: "\\ud83d\\ude80"', "r.yaml:1: has an escape that is no character of its own; write the character itself."),
    ],
)
def test_hostile_text_gets_one_line_with_its_place(text: str, said: str) -> None:
    finding = only(text)
    assert said in str(finding)
    assert finding.line is not None
    assert len(str(finding)) < 200


def test_files_that_cannot_be_recipes_get_one_line(tmp_path: Path) -> None:
    big, binary, latin = tmp_path / "big.yaml", tmp_path / "binary.yaml", tmp_path / "latin.yaml"
    with big.open("wb") as stream:
        stream.truncate(100 * 2**20)
    binary.write_bytes(b"a: 1\nb: \x89PNG\x00\xff")
    latin.write_bytes("a: caf\xe9".encode("latin-1"))
    expected = {
        big: f"has 104,857,600 bytes; use a file of at most {MAX_BYTES:,} bytes.",
        binary: "is not UTF-8 text; save it as UTF-8 text.",
        latin: "is not UTF-8 text; save it as UTF-8 text.",
        tmp_path: "is a folder; give a file in it.",
        tmp_path / "gone.yaml": "is not there; check the name.",
        Path("/dev/zero"): "is not a regular file; give a text file.",
        tmp_path / ("x" * 300): "cannot be read (File name too long); check the name.",
        Path("a\0b"): "cannot be read (embedded null byte); check the name.",
    }
    for path, said in expected.items():
        finding = read_text(path, "f")
        assert isinstance(finding, Finding)
        assert str(finding).endswith(said)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfstage: grpo\n")
    text = read_text(path, "f")
    assert isinstance(text, str)
    assert parse(text, "f").value == {"stage": "grpo"}
