"""Properties of YAML files, overrides and search spaces, for values that hypothesis makes up."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gluetune.cli.flags import parse
from gluetune.cli.tune import TUNE
from gluetune.config import (
    Choice,
    Float,
    Int,
    SearchSpace,
    contains,
    dump_job,
    dump_space,
    finite_values,
    parse_job,
    parse_space,
)
from gluetune.config.yaml_files import dump_yaml, parse_yaml
from gluetune.errors import ConfigError, ConfigIssue

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NOT_TEXT = ["no", "on", "~", "null", "5e-5", "1_000", "0x1f", "0o7", "010", "1:30", ".inf", "2024-01-01", "<<", "="]
SPECIAL = ["", " a", "a ", "a: b", "- a", "#", "'", '"', "a\nb", "\t", "é", "\x85", "\U0001f600"]
LOOKALIKES = st.sampled_from([*NOT_TEXT, *SPECIAL])  # texts that, written plainly, would be read as something else
SCRAPS = st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@`,?\n\t ~01."), max_size=40)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | LOOKALIKES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | LOOKALIKES, inner, max_size=4),
    max_leaves=10,
)
RATES = st.floats(min_value=1e-9, max_value=1.0, exclude_min=True)
MISTAKES = ["seed: -1", "sed: 1", "tasks: colla", "search: {num_samples: 0}", "name: [", "a: b: c"]


def issues_of(data: bytes) -> tuple[ConfigIssue, ...]:
    try:
        parse_yaml(data, "job.yaml")
    except ConfigError as error:
        return error.issues
    return ()


@settings(max_examples=120)
@given(st.dictionaries(TEXT | LOOKALIKES, PLAIN, max_size=4))
def test_what_is_written_reads_back_equal_and_of_the_same_types(values: dict[str, Any]) -> None:
    got = parse_yaml(dump_yaml(values).encode(), "f").value
    assert repr(got) == repr(values)  # distinguishes 1 from 1.0 and true, and 0.0 from -0.0


@settings(max_examples=60)
@given(st.floats(allow_nan=False, allow_infinity=False) | LOOKALIKES)
def test_readers_of_yaml_1_1_read_the_same(value: float | str) -> None:
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 1)
    assert reader.load(dump_yaml({"a": [value]})) == {"a": [value]}


@settings(max_examples=40)
@given(st.lists(st.tuples(PLAIN, st.integers(0, 3)), min_size=1, max_size=6))
def test_each_key_has_its_line(entries: list[tuple[Any, int]]) -> None:
    text, lines = "", {}
    for number, (value, blank) in enumerate(entries):
        text += "\n" * blank + "# note\n" * (blank % 2)
        lines[f"k{number}",] = text.count("\n") + 1
        text += dump_yaml({f"k{number}": value})
    document = parse_yaml(text.encode(), "f")
    assert {path: line for path, line in document.lines.items() if len(path) == 1} == lines


@settings(max_examples=150)
@given(st.binary(max_size=60) | SCRAPS.map(str.encode))
def test_a_file_is_read_or_refused_with_its_name_and_line(data: bytes) -> None:
    lines = len(re.split(rb"\r\n|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]", data))
    for issue in issues_of(data):
        assert issue.file == "job.yaml"
        assert issue.message
        assert issue.line is not None
        assert 1 <= issue.line <= lines


@settings(max_examples=60)
@given(st.integers(0, 8), st.sampled_from(MISTAKES))
def test_a_mistake_has_its_line_wherever_it_stands(before: int, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_job(("# note\n" * before + mistake).encode(), "job.yaml")
    assert {(issue.file, issue.line) for issue in caught.value.issues} == {("job.yaml", before + 1)}


SETTINGS = st.one_of(
    st.tuples(st.just("seed"), st.integers(0, 2**31 - 1)),
    st.tuples(st.just("training.learning_rate"), RATES),
    st.tuples(st.just("training.adam_epsilon"), RATES),
    st.tuples(st.just("training.batch_size"), st.integers(1, 4096)),
    st.tuples(st.just("search.num_samples"), st.none() | st.integers(1, 100)),
    st.tuples(st.just("search.scheduler"), st.sampled_from(["none", "asha", "median"])),
    st.tuples(st.just("tasks"), st.sampled_from(["cola", "cola,rte", ["sst2"]])),
    st.tuples(st.just("model.name_or_path"), LOOKALIKES.filter(bool)),
    st.tuples(st.just("storage.path"), TEXT.filter(bool)),
)


@settings(max_examples=60)
@given(st.lists(SETTINGS, max_size=5, unique_by=lambda setting: setting[0]))
def test_a_setting_by_flag_is_what_it_is_in_the_file(chosen: list[tuple[str, Any]]) -> None:
    sections: dict[str, Any] = {}
    for path, value in chosen:
        *outer, key = path.split(".")
        section = sections
        for name in outer:
            section = section.setdefault(name, {})
        section[key] = value
    from_file = parse_job(dump_yaml(sections).encode(), "job.yaml")
    flags = " ".join(f"--set {path}={shlex.quote(one_line(value))}" for path, value in chosen)
    assert parse_job(b"", "job.yaml", parse(shlex.split(flags), TUNE).overrides) == from_file
    assert parse_job(dump_job(from_file).encode(), "job.yaml") == from_file


def one_line(value: Any) -> str:
    """A value as YAML in one line."""
    return dump_yaml({"a": [value]}).removeprefix("a: [").removesuffix("]\n")


def float_choice(values: list[float]) -> Choice:
    return Choice(values=tuple(values))


def float_range(ends: list[float], log: bool) -> Float:
    return Float(low=min(ends), high=max(ends), log=log)


def int_range(low: int, extra: int, step: int) -> Int:
    return Int(low=low, high=low + extra, step=step)


FIELDS = {
    "learning_rate": st.builds(float_choice, st.lists(RATES, min_size=1, max_size=4, unique=True)),
    "weight_decay": st.builds(float_range, st.lists(RATES, min_size=2, max_size=2), st.booleans()),
    "batch_size": st.builds(int_range, st.integers(1, 64), st.integers(0, 64), st.integers(1, 9)),
    "head": st.just(Choice(values=("linear", "mlp"))),
    "freeze_embeddings": st.just(Choice(values=(True, False))),
}
SPACES = st.fixed_dictionaries({}, optional=FIELDS).filter(bool)
SPACE_MISTAKES = ["learning_rte: [1e-4]", "batch_size: [0]", "head: [lineer]", "seed: 5"]


@settings(max_examples=60)
@given(SPACES)
def test_a_search_space_reads_back_equal(fields: dict[str, Any]) -> None:
    space = SearchSpace(name="made-up", source="no: paper", training={"num_train_epochs": 2.5}, space=fields)
    assert parse_space(dump_space(space).encode(), "made-up.yaml") == space


@settings(max_examples=60)
@given(SPACES)
def test_the_grid_of_a_finite_space_is_all_of_its_points_once(fields: dict[str, Any]) -> None:
    for distribution in fields.values():
        assert all(contains(distribution, value) for value in finite_values(distribution) or ())
    space = SearchSpace(name="made-up", space=fields)
    assume(space.size is not None and space.size < 2000)
    grid = list(space.grid())
    assert len(grid) == space.size == len({tuple(point.items()) for point in grid})


@settings(max_examples=60)
@given(SPACES, st.sampled_from(SPACE_MISTAKES), st.integers(0, 5))
def test_a_mistake_in_a_search_space_has_its_line(fields: dict[str, Any], mistake: str, before: int) -> None:
    good = {name: field for name, field in fields.items() if name != mistake.split(":")[0]}
    lines = dump_yaml({name: field.model_dump(mode="json", exclude_none=True) for name, field in good.items()})
    inner = (lines if good else "") + "# note\n" * before + mistake
    text = "space:\n" + "".join(f"  {line}\n" for line in inner.splitlines())
    with pytest.raises(ConfigError) as caught:
        parse_space(text.encode(), "mine.yaml")
    assert {(issue.file, issue.line) for issue in caught.value.issues} == {("mine.yaml", text.count("\n"))}
