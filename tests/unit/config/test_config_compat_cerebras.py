"""Sections of the Cerebras dialect in a job file: what they become, and the notes about them.

Mistakes in them are among those of `tests/contract/bad_job_files.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gluetune.config import JobConfig, Override, dump_job, load_job, parse_job
from gluetune.errors import ConfigError

JOB = """\
tasks: sst2
search: {space: single.yaml}
train_input:
  data_dir: glue/SST-2
  max_sequence_length: 96
  batch_size: 12
eval_input:
  data_dir: glue/SST-2
  max_sequence_length: 96
  batch_size: 24
"""
MAPPED = [
    ("train_input.data_dir", "data.dir"),
    ("train_input.max_sequence_length", "data.max_seq_length"),
    ("train_input.batch_size", "training.batch_size"),
    ("eval_input.data_dir", "data.dir"),
    ("eval_input.max_sequence_length", "data.max_seq_length"),
    ("eval_input.batch_size", "training.eval_batch_size"),
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glue" / "SST-2").mkdir(parents=True)
    (tmp_path / "single.yaml").write_text("space: {learning_rate: [1e-5]}\n")
    return tmp_path


def load(text: str, *overrides: Override) -> JobConfig:
    Path("job.yaml").write_text(text)
    return load_job("job.yaml", overrides)


def mistakes(text: str, *overrides: Override) -> list[tuple[str, int | None]]:
    """Path and line of each mistake."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return [(issue.path, issue.line) for issue in caught.value.issues]


def assert_mapped(notes: list[str], expected: list[tuple[str, str]]) -> None:
    """Check that there is a note on each key, which names the key that it is read as."""
    assert [note.split()[0] for note in notes] == [key for key, _ in expected]
    assert [key for note, (_, key) in zip(notes, expected, strict=True) if key not in note.split(" ", 1)[1]] == []


def test_its_keys_become_job_keys_and_each_is_reported(logged: Callable[[], list[str]]) -> None:
    job = load(JOB)
    assert (job.data.source, job.data.dir, job.data.max_seq_length) == ("dir", "glue", 96)
    assert (job.training.batch_size, job.training.eval_batch_size) == (12, 24)
    assert_mapped(logged(), MAPPED)
    assert "SST-2" in logged()[0]


def test_a_folder_replaces_another_source_and_is_reported(logged: Callable[[], list[str]]) -> None:
    job = load("data:\n  source: hub\ntrain_input:\n  data_dir: glue\n")
    assert (job.data.source, job.data.dir) == ("dir", "glue")
    assert_mapped(logged(), MAPPED[:1])
    assert "'hub'" in logged()[0]


def test_a_job_without_them_has_no_notes(logged: Callable[[], list[str]]) -> None:
    load("search: {space: single.yaml}\ntraining: {batch_size: 8}\n")
    assert logged() == []


def test_a_dump_has_gluetunes_keys_only() -> None:
    job = load(JOB)
    assert "_input" not in dump_job(job)
    assert parse_job(dump_job(job).encode(), "job.yaml") == job


def test_gluetunes_sections_stay_beside_them() -> None:
    job = load(JOB + "data: {selection: dev}\ntraining:\n")
    assert (job.data.selection, job.data.dir, job.training.batch_size) == ("dev", "glue", 12)


@pytest.mark.parametrize(
    "sections",
    [
        "train_input: {max_sequence_length: 40}",
        "eval_input: {max_sequence_length: 40}",
        "train_input: {max_sequence_length: 40}\neval_input:",
        "eval_input: {}\ntrain_input: {max_sequence_length: 40}",
    ],
)
def test_one_section_is_enough(sections: str) -> None:
    job = load(f"search: {{space: single.yaml}}\n{sections}\n")
    assert (job.data.max_seq_length, job.data.source) == (40, "synthetic")


@pytest.mark.parametrize(
    ("data_dir", "folder"),
    [
        ("glue", "glue"),
        ("glue/", "glue/"),
        ("glue/SST-2/", "glue"),
        ("glue/sst-2", "glue"),
        ("MNLI", "."),
        ("SNLI", "SNLI"),
    ],
)
def test_the_folder_of_a_task_becomes_its_parent(data_dir: str, folder: str, project: Path) -> None:
    for name in ("glue/sst-2", "MNLI", "SNLI/SNLI"):
        (project / name).mkdir(parents=True, exist_ok=True)
    assert load(f"search: {{space: single.yaml}}\ntrain_input: {{data_dir: {data_dir}}}\n").data.dir == folder


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([Override("training.batch_size", 64)], {"batch_size": 64}),
        ([Override("data.max_seq_length", 32, "--max-seq-length")], {"max_seq_length": 32}),
        ([Override("data.dir", ".", "--data-dir")], {"source": "dir", "dir": "."}),
        ([Override("data.source", "synthetic", "--data")], {"source": "synthetic", "dir": None}),
        ([Override("data.source", "hub", "--data")], {"source": "hub", "dir": None}),
        (
            [Override("data.source", "hub", "--data"), Override("data.source", "dir", "--data")],
            {"source": "dir", "dir": "glue"},
        ),
        (
            [Override("data.source", "dir", "--data"), Override("data.dir", ".", "--data-dir")],
            {"source": "dir", "dir": "."},
        ),
        ([Override("data", {"source": "synthetic"})], {"source": "synthetic", "dir": None, "max_seq_length": 128}),
    ],
)
def test_flags_go_before(overrides: list[Override], expected: dict[str, object]) -> None:
    job = load(JOB, *overrides)
    values = job.data.model_dump() | job.training.model_dump()
    assert {name: values[name] for name in expected} == expected


def test_a_folder_that_a_flag_makes_useless_is_reported(logged: Callable[[], list[str]]) -> None:
    load(JOB, Override("data.source", "synthetic", "--data"))
    assert_mapped(logged(), [("train_input.data_dir", "--data says synthetic"), *MAPPED[1:]])


def test_a_folder_given_by_flag_is_still_checked() -> None:
    flags = Override("data.source", "synthetic", "--data"), Override("data.dir", ".", "--data-dir")
    assert mistakes(JOB, *flags) == [("--data-dir", None)]


def test_a_flag_sets_the_source() -> None:
    text = JOB + "data: {source: hub}\n"
    assert load(text, Override("data.source", "dir", "--data")).data.dir == "glue"
    assert load(text, Override("data.source", "synthetic", "--data")).data.dir is None


def test_they_must_not_set_what_the_space_varies() -> None:
    Path("single.yaml").write_text("space: {batch_size: [8, 16]}\n")
    assert mistakes(JOB) == [("training.batch_size", 6)]
