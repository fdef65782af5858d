"""YAML 1.2 scalars and line numbers."""

from __future__ import annotations

import sys

import pytest

from gluetune.config.yaml_files import MAX_DEPTH, parse_yaml
from gluetune.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-5", 5e-5),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("16", 16),
        ("+3", 3),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("'5e-5'", "5e-5"),
        ("e5", "e5"),
        ("1e", "1e"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    got = parse_yaml(f"key: {text}\n".encode(), "f").value["key"]
    assert (got, type(got)) == (value, type(value))


def test_infinity_is_a_number() -> None:
    assert parse_yaml(b"[.inf, -.INF]", "f").value == [float("inf"), float("-inf")]


def test_keys_are_always_text() -> None:
    assert parse_yaml(b"{on: 1, 5: 2, null: 3}", "f").value == {"on": 1, "5": 2, "null": 3}


def test_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    assert parse_yaml("seed: 1\r\nname: a\r\n".encode("utf-8-sig"), "f").value == {"seed": 1, "name": "a"}


def test_empty_and_comment_only_files_are_none() -> None:
    assert parse_yaml(b"", "f").value is None
    assert parse_yaml(b"# nothing\n", "f").value is None


def test_lines_of_keys_and_items() -> None:
    document = parse_yaml(b"a:\n  b: 1\n  c:\n    - 1\n    - 2\n", "f")
    assert document.lines == {("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 5}
    assert document.line(("a", "c", 1, "deeper")) == 5
    assert document.line(("x",)) is None


def test_anchors_may_be_used_again() -> None:
    assert parse_yaml(b"a: &x [1]\nb: *x\n", "f").value == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    "text",
    [
        b"a: " + b"[" * 600 + b"]" * 600,
        b"a: " + b"[" * 100_000,
        b"a:\n" + b"".join(b" " * depth + b"b:\n" for depth in range(1, 300)),
        b"a: &a " + b"[" * 60 + b"]" * 60 + b"\nb: " + b"[" * 60 + b"*a" + b"]" * 60,
    ],
    ids=["flow", "never closed", "block", "by alias"],
)
def test_too_deep_nesting_is_a_mistake_under_any_recursion_limit(text: bytes) -> None:
    for limit in (sys.getrecursionlimit(), 100_000):
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(limit)
        try:
            with pytest.raises(ConfigError) as caught:
                parse_yaml(text, "f.yaml")
        finally:
            sys.setrecursionlimit(before)
        assert [(issue.file, issue.line is None) for issue in caught.value.issues] == [("f.yaml", False)]
        assert f"nested deeper than {MAX_DEPTH}" in str(caught.value)


def test_merge_keys_are_mistakes() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(b"base: &b {low: 1}\nspace:\n  rate: {<<: *b, log: true}\n  '<<': 1\n", "f.yaml")
    assert [(issue.path, issue.line) for issue in caught.value.issues] == [("space.rate.<<", 3)]
    assert "merge keys are not supported" in str(caught.value)


def test_nesting_up_to_the_limit_is_read() -> None:
    levels = MAX_DEPTH - 2  # the mapping and its key's value are levels too
    value = parse_yaml(b"a: " + b"[" * levels + b"]" * levels, "f.yaml").value["a"]
    depth = 0
    while value:
        value, depth = value[0], depth + 1
    assert depth == levels - 1


def test_aliases_must_not_expand_to_more_values_than_the_limit() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    with pytest.raises(ConfigError, match=r"f\.yaml:\d+: .*100,000 values"):
        parse_yaml(text.encode(), "f.yaml")


def test_all_duplicate_keys_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(b"a: 1\nb: {c: 1, c: 2}\na: 2\n", "f.yaml")
    assert [(issue.path, issue.line) for issue in caught.value.issues] == [("b.c", 2), ("a", 3)]
    assert "line 2" in caught.value.issues[0].message
    assert "line 1" in caught.value.issues[1].message
