"""Sections of the Cerebras dialect in a job file: what they become, and the notes about them."""

from __future__ import annotations

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
NOTES = [
    "train_input.data_dir is read as data.dir, with data.source dir; it is glue, the folder that contains SST-2/",
    "train_input.max_sequence_length is read as data.max_seq_length",
    "train_input.batch_size is read as training.batch_size",
    "eval_input.data_dir is read as data.dir",
    "eval_input.max_sequence_length is read as data.max_seq_length",
    "eval_input.batch_size is read as training.eval_batch_size",
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glue" / "SST-2").mkdir(parents=True)
    (tmp_path / "single.yaml").write_text("space: {learning_rate: [1e-5]}\n")
    return tmp_path


def load(text: str, *overrides: Override, notes: list[str] | None = None) -> JobConfig:
    Path("job.yaml").write_text(text)
    return load_job("job.yaml", overrides, None if notes is None else notes.append)


def mistakes(text: str, *overrides: Override) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return str(caught.value)


def test_its_keys_become_job_keys_and_each_is_reported() -> None:
    notes: list[str] = []
    job = load(JOB, notes=notes)
    assert (job.data.source, job.data.dir, job.data.max_seq_length) == ("dir", "glue", 96)
    assert (job.training.batch_size, job.training.eval_batch_size) == (12, 24)
    assert notes == NOTES


def test_a_folder_replaces_another_source_and_is_reported() -> None:
    notes: list[str] = []
    job = load("data:\n  source: hub\ntrain_input:\n  data_dir: glue\n", notes=notes)
    assert (job.data.source, job.data.dir) == ("dir", "glue")
    assert notes == ["train_input.data_dir is read as data.dir, with data.source dir instead of 'hub'"]


def test_a_job_without_them_has_no_notes() -> None:
    notes: list[str] = []
    load("search: {space: single.yaml}\ntraining: {batch_size: 8}\n", notes=notes)
    assert notes == []


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


def test_a_folder_that_a_flag_makes_useless_is_reported() -> None:
    notes: list[str] = []
    load(JOB, Override("data.source", "synthetic", "--data"), notes=notes)
    assert notes == ["train_input.data_dir is left unused, because --data says synthetic", *NOTES[1:]]


def test_a_folder_given_by_flag_is_still_checked() -> None:
    flags = Override("data.source", "synthetic", "--data"), Override("data.dir", ".", "--data-dir")
    assert mistakes(JOB, *flags) == (
        "--data-dir: must not be given unless data.source (--data) is dir, hub or custom, but it is synthetic"
    )


def test_a_flag_sets_the_source() -> None:
    text = JOB + "data: {source: hub}\n"
    assert load(text, Override("data.source", "dir", "--data")).data.dir == "glue"
    assert load(text, Override("data.source", "synthetic", "--data")).data.dir is None


MISTAKES = [
    ("train_input:\n  batch_sise: 3\n", "job.yaml:2: train_input.batch_sise: no such key; nearest: 'batch_size'"),
    (
        "eval_input: {vocab_file: x}\n",
        "job.yaml:1: eval_input.vocab_file: no such key; there are: data_dir, max_sequence_length, batch_size",
    ),
    ("train_input: 12\n", "job.yaml:1: train_input: must be a mapping, but got 12"),
    (
        "train_input:\n  max_sequence_length: 96\neval_input:\n  max_sequence_length: 128\n",
        "job.yaml:4: eval_input.max_sequence_length: must be what train_input.max_sequence_length is, 96, but got 128",
    ),
    (
        "eval_input:\n  data_dir: glue\ntrain_input:\n  data_dir: other\n",
        "job.yaml:2: eval_input.data_dir: must be what train_input.data_dir is, 'other', but got 'glue'\n"
        "job.yaml:4: data.dir: must be an existing folder, but got 'other'",
    ),
    (
        "train_input:\n  batch_size: 0\n  max_sequence_length: four\n",
        "job.yaml:2: training.batch_size: must be a whole number >= 1, but got 0\n"
        "job.yaml:3: data.max_seq_length: must be a whole number >= 8 and <= 8192, but got 'four'",
    ),
    (
        "training:\n  batch_size: 8\ntrain_input:\n  batch_size: 8\n",
        "job.yaml:4: train_input.batch_size: must not be given beside training.batch_size (line 2), which is the same "
        "setting",
    ),
    (
        "data:\n  max_seq_length: 8\neval_input:\n  max_sequence_length: 8\n",
        "job.yaml:4: eval_input.max_sequence_length: must not be given beside data.max_seq_length (line 2), "
        "which is the same setting",
    ),
    (
        "data:\n  source: dir\n  dir: glue\ntrain_input:\n  data_dir: glue\n",
        "job.yaml:5: train_input.data_dir: must not be given beside data.dir (line 3), which is the same setting",
    ),
    ("train_input:\n  data_dir: glu/SST-2\n", "job.yaml:2: data.dir: must be an existing folder, but got 'glu'"),
    ("train_input:\n  data_dir: 5\n", "job.yaml:2: data.dir: must be text or null, but got 5"),
    ("training: 5\ntrain_input:\n  batch_size: 8\n", "job.yaml:1: training: must be a mapping, but got 5"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_mistakes_keep_file_and_line(text: str, message: str) -> None:
    assert mistakes(f"{text}search: {{space: single.yaml}}\n") == message


def test_they_must_not_set_what_the_space_varies() -> None:
    Path("single.yaml").write_text("space: {batch_size: [8, 16]}\n")
    assert mistakes(JOB) == (
        "job.yaml:6: training.batch_size: must not be set, because search space 'single' varies it"
    )
