"""A resume after rows, tokenizer or encoder have changed, or of a newer version's run, before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gluetune.api.pretraining_run import pretraining_inputs
from gluetune.api.session import check_inputs
from gluetune.api.verification import check_same_inputs
from gluetune.cli.pretrain import main as pretrain_main
from gluetune.cli.tune import tune_main
from gluetune.config import (
    DataConfig,
    JobConfig,
    ModelConfig,
    StorageConfig,
    dump_job,
    dump_space,
    load_space,
    parse_job,
)
from gluetune.errors import DataError
from gluetune.events import Event, Journal, RunInputs
from gluetune.pretraining import dump_pretrain_job, load_pretrain_job, prepare_job
from gluetune.reporting.recorded_runs import find_run
from gluetune.search.prepare import prepare_inputs
from gluetune.storage import Storage
from sample_search import ended, evaluated, started
from tiny_classifiers import LETTERS, SPECIAL, write_encoder

EVENTS: list[Event] = [started(0, "cola"), evaluated(0, 1, 0.3), ended(0)]


def write_rows(folder: Path, rows: int = 60, wrong: int = 0) -> None:
    folder = folder / "CoLA"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"gj04\t{(row + (row < wrong)) % 2}\t\t{chr(97 + row % 26)} {chr(97 + row % 7)}" for row in range(rows)]
    (folder / "train.tsv").write_text("\n".join(lines) + "\n")
    (folder / "dev.tsv").write_text("\n".join(lines[:20]) + "\n")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A search of CoLA that has ended its one trial, with its rows and its encoder beside it."""
    write_encoder(tmp_path / "encoder")
    write_rows(tmp_path / "glue")
    folder = tmp_path / "runs" / "mine"
    storage = Storage(str(folder))
    job = JobConfig(
        name="mine",
        tasks={"cola": 1.0},
        model=ModelConfig(name_or_path=str(tmp_path / "encoder")),
        data=DataConfig(source="dir", dir=str(tmp_path / "glue"), max_seq_length=16),
        storage=StorageConfig(path=str(tmp_path / "runs")),
    )
    space = load_space("single", None)
    storage.write("space.yaml", dump_space(space).encode())
    storage.write("job.yaml", dump_job(job).encode())
    inputs_now(job).save(storage)
    Journal(storage).append(*EVENTS)
    return folder


def inputs_now(job: JobConfig) -> RunInputs:
    return prepare_inputs(job, load_space("single", None)).inputs


def resume(run: Path, *more: str) -> int:
    return tune_main(["--resume", "mine", "--storage-path", str(run.parent), "--dry-run", *more])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda home: write_rows(home / "glue", rows=50), ["cola, train: 54 rows then, 45 now", "cola, selection: "]),
        (
            lambda home: write_rows(home / "glue", wrong=9),
            ["cola, validation: 20 rows, but other texts, labels or order"],
        ),
        (
            lambda home: write_encoder(home / "encoder", [*SPECIAL, *reversed(LETTERS[5:])]),
            ["cola, selection: the same rows, but the tokenizer makes other tokens of them"],
        ),
        (lambda home: write_encoder(home / "encoder", seed=1), ["the encoder: other weights or settings"]),
    ],
    ids=["rows", "labels", "tokenizer", "weights"],
)
def test_a_resume_on_other_inputs_is_refused(
    run: Path, change: Callable[[Path], None], said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    change(run.parents[1])
    before = sorted(path for path in run.rglob("*") if path.is_file())
    assert resume(run) == 2
    message = capfd.readouterr().err
    assert all(line in message for line in said)
    assert "--resume mine --accept-changed-data" in message
    assert {*before} <= {path for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("journal/000000.jsonl", '{"schema_version":1}', '{"schema_version":2}'),
        ("job.yaml", "schema_version: 1\n", "schema_version: 2\na_new_section: {}\n"),
        ("inputs.json", '"version": 1', '"version": 2'),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--accept-changed-data"]])
def test_a_resume_of_a_newer_versions_run_is_refused_with_one_message_and_changes_nothing(
    run: Path, file: str, old: str, new: str, flags: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    content = (run / file).read_text()
    assert old in content
    (run / file).write_text(content.replace(old, new))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert resume(run, *flags) == 2
    message = capfd.readouterr().err
    assert str(run / file) in message
    assert "newer version" in message
    assert "a_new_section" not in message
    assert "Traceback" not in message
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_same_rows_from_another_file_are_the_same_rows(run: Path) -> None:
    train = run.parents[1] / "glue" / "CoLA" / "train.tsv"
    train.write_text(train.read_text().replace("\n", "\r\n").replace("gj04", "ks08"))
    assert resume(run) == 0


def test_a_dry_run_with_the_flag_sets_nothing_aside(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_rows(run.parents[1] / "glue", rows=50)
    assert resume(run, "--accept-changed-data") == 0
    assert "would be set aside" in capfd.readouterr().out
    assert len(Journal(Storage(str(run))).trials) == 1


def test_with_the_flag_the_search_starts_anew(run: Path) -> None:
    storage = Storage(str(run))
    now = RunInputs(encoder="other")
    with pytest.raises(DataError, match="accept-changed-data"):
        check_inputs(storage, now, name="mine", accept=False)
    check_inputs(storage, now, name="mine", accept=True)
    assert not Journal(storage).trials
    assert len(Journal(storage.sub("set-aside/1")).trials) == 1
    check_inputs(storage, now, name="mine", accept=True)
    assert storage.list("set-aside") == ["1"]


def test_a_run_without_the_record_goes_on_and_says_so(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "gluetune")
    (run / "inputs.json").unlink()
    check_inputs(Storage(str(run)), RunInputs(), name="mine", accept=False)
    assert "cannot be checked" in caplog.text
    check_inputs(Storage(str(run)), RunInputs(), name="mine", accept=True)
    assert not Journal(Storage(str(run))).trials


def test_the_flag_is_for_resumes(capfd: pytest.CaptureFixture[str]) -> None:
    assert tune_main(["--accept-changed-data"]) == 2
    assert "--accept-changed-data: goes with --resume only" in capfd.readouterr().err


def test_pretraining_continues_with_its_own_text_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a b c\nd e f\n\n" * 20)
    job_file = tmp_path / "pretrain.yaml"
    job_file.write_text(
        f"name: mine\nstorage: {{path: {tmp_path}}}\n"
        f"text: {{source: files, path: {text}, format: sentences}}\n"
        "tokenizer: {vocab_size: 100}\ntraining: {max_seq_length: 16}\n"
    )
    job, storage = load_pretrain_job(str(job_file)), Storage(str(tmp_path / "mine"))
    inputs = pretraining_inputs(prepare_job(job)[0])
    inputs.save(storage)
    storage.write("pretraining.yaml", dump_pretrain_job(job).encode())
    Journal(storage).append(started(0, "pretraining"))
    check_inputs(storage, inputs, name="mine", accept=False)
    text.write_text("a b c\nd e f\n\n" * 19 + "a b c\nd e\n\n")
    assert pretrain_main(["--resume", "mine", "--storage-path", str(tmp_path), "--dry-run"]) == 2
    assert "pretraining, train: 18 rows, but other texts" in capfd.readouterr().err


def test_winners_are_not_verified_on_other_rows_and_the_message_is_about_that(run: Path) -> None:
    write_rows(run.parents[1] / "glue", rows=50)
    files = find_run("mine", str(run.parent))
    now = inputs_now(parse_job((run / "job.yaml").read_bytes(), "job.yaml"))
    with pytest.raises(DataError, match="cola, train: 54 rows then, 45 now") as refused:
        check_same_inputs(files, now)
    assert "verified" in str(refused.value)
    assert "resume" not in str(refused.value)
