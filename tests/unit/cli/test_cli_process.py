"""Where a run is kept: its record works from any folder, nothing lasts less than it should, lost files are refused."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from gluetune.api.places import absolute_places, check_lasting
from gluetune.api.session import begin, new_session, resumed_session
from gluetune.cli import export
from gluetune.cli.process import resume_command_line
from gluetune.cli.tune import finetune_main, tune_main
from gluetune.config import Override, StorageConfig, TrackingConfig, load_job
from gluetune.errors import ConfigError, StorageError
from gluetune.events import Journal
from gluetune.storage import Storage
from hand_made_runs import write_run

JOB = """
name: mine
tasks: [cola]
data: {source: custom, dataset: "rows.py:Rows", dir: texts, cache_dir: cache}
model: {name_or_path: encoder, cache_dir: "~/models"}
tracking: {uri: "sqlite:///record.db"}
"""
RAY_SETS = "RAY_JOB_CONFIG_JSON_ENV_VAR"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a job, a model, data and a dataset class in it."""
    folder = tmp_path / "my project"
    for name in ("encoder", "texts"):
        (folder / name).mkdir(parents=True)
    (folder / "rows.py").write_text("class Rows:\n    pass\n")
    (folder / "job.yaml").write_text(JOB)
    monkeypatch.chdir(folder)
    return folder


def test_a_recorded_job_means_the_same_in_any_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session(load_job("job.yaml"), "job.yaml")
    begin(session)
    data, model = session.job.data, session.job.model
    assert (data.dataset, data.dir) == (f"{project}/rows.py:Rows", f"{project}/texts")
    assert data.cache_dir == f"{project}/cache"
    assert (model.name_or_path, model.cache_dir) == (f"{project}/encoder", "~/models")
    assert session.job.tracking.uri == f"sqlite:///{project}/record.db"
    command = shlex.split(resume_command_line("mine", session.job.storage, None))
    path = command[command.index("--storage-path") + 1]
    monkeypatch.chdir(tmp_path)
    (project / "runs" / "mine" / ".lock").rename(tmp_path / "lock")  # this process holds it still
    assert resumed_session("mine", path, []).job == session.job


def test_a_storage_path_through_the_folder_above_is_recorded_without_it(project: Path) -> None:
    job = load_job("job.yaml", [Override("storage.path", "../runs")])
    assert new_session(job, "job.yaml").job.storage.path == str(project.parent / "runs")


def test_names_that_are_no_paths_stay(project: Path) -> None:
    (project / "job.yaml").write_text(
        "model: {name_or_path: bert-base-uncased}\n"
        "tasks: [cola]\ndata: {source: custom, dataset: 'package.rows:Rows'}\n"
    )
    job = new_session(load_job("job.yaml"), "job.yaml").job
    assert (job.model.name_or_path, job.data.dataset) == ("bert-base-uncased", "package.rows:Rows")


def test_a_run_whose_folder_was_moved_goes_on_where_it_is(project: Path, tmp_path: Path) -> None:
    begin(new_session(load_job(None), None))
    (name,) = (path.name for path in (project / "runs").iterdir())
    (project / "runs").rename(tmp_path / "moved")
    (tmp_path / "moved" / name / ".lock").rename(tmp_path / "lock")
    assert resumed_session(name, str(tmp_path / "moved"), []).job.storage.path == str(tmp_path / "moved")


def test_the_resume_command_names_the_program_by_its_whole_path(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "tune.py").write_text("")
    monkeypatch.setattr(sys, "argv", ["tune.py"])
    assert shlex.split(resume_command_line("mine", StorageConfig(), None))[:2] == [
        sys.executable,
        str(project / "tune.py"),
    ]


@pytest.fixture
def submitted(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process as the driver of a submitted job."""
    environment = {
        "env_vars": {"PYTHONPATH": "platform", "MLFLOW_TRACKING_PASSWORD": "secret"},
        "working_dir": "gcs://x",
    }
    monkeypatch.setenv(RAY_SETS, json.dumps({"runtime_env": environment, "metadata": {"job_submission_id": "id"}}))
    return project


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--storage-path"),
        (("--storage-path", "results"), "'results'"),
        (("--resume", "mine"), "--storage-path"),
        (("--storage-path", "/results", "--tracking-uri", "sqlite:///record.db"), "--tracking-uri"),
        (("--storage-path", "gs://bucket/results"), "--tracking-uri"),
    ],
)
def test_a_submitted_job_is_refused_what_would_be_deleted_with_it(
    arguments: tuple[str, ...], named: str, submitted: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(submitted.rglob("*"))
    assert tune_main([*arguments, "--dry-run"]) == 2
    said = capfd.readouterr().err
    assert "submitted job" in said
    assert named in said
    assert sorted(submitted.rglob("*")) == before


def test_a_submitted_job_writes_predictions_to_a_place_that_lasts(
    submitted: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (submitted / "rows.tsv").write_text("sentence\none\n")
    predict = ["--config", "job.yaml", "--mode", "predict", "--checkpoint", "encoder", "--input", "rows.tsv"]
    for output in ([], ["--output", "answers.tsv"]):
        assert finetune_main([*predict, *output]) == 2
        assert "--output: must be an absolute path" in capfd.readouterr().err
    assert export.main(["--run", "mine"]) == 2
    assert "--output: must be an absolute path" in capfd.readouterr().err


def test_a_submitted_job_is_resumed_by_submitting_it_again_and_keeps_its_paths(
    submitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = load_job("job.yaml")
    monkeypatch.setattr(sys, "argv", ["jobs/tune_glue.py"])
    command = shlex.split(resume_command_line("mine", StorageConfig(path="/runs"), None))
    assert command[:3] == ["ray", "job", "submit"]
    assert command[command.index("--") + 1 :] == [
        "python",
        "jobs/tune_glue.py",
        "--resume",
        "mine",
        "--storage-path",
        "/runs",
    ]
    assert json.loads(command[command.index("--runtime-env-json") + 1]) == {"env_vars": {"PYTHONPATH": "platform"}}
    assert "secret" not in str(command)
    storage = job.storage.model_copy(update={"path": str(submitted / "runs")})
    tracking = job.tracking.model_copy(update={"uri": None})
    session = new_session(job.model_copy(update={"storage": storage, "tracking": tracking}), "job.yaml")
    assert session.job.data == job.data


@pytest.mark.parametrize("file", ["job.yaml", "space.yaml"])
@pytest.mark.parametrize("content", [b"", b"\0" * 512, b"\n"])
def test_a_run_with_an_empty_state_file_is_refused_and_stays_as_it_is(
    file: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path, "mine", {"cola": 0.5})
    (folder / "space.yaml").write_text("space: {learning_rate: [1.0e-4]}\n")
    (folder / file).write_bytes(content)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert tune_main(["--resume", "mine", "--storage-path", str(tmp_path)]) == 2
    assert f"{folder / file} is empty" in capfd.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_run_that_has_lost_its_job_file_is_not_taken_for_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path, "mine", {"cola": 0.5})
    (folder / "space.yaml").write_text("space: {learning_rate: [1.0e-4]}\n")
    (folder / "job.yaml").unlink()
    assert tune_main(["--resume", "mine", "--storage-path", str(tmp_path)]) == 2
    assert "has lost job.yaml" in capfd.readouterr().err
    assert len(Journal(Storage(str(folder))).trials) == 1


def test_an_empty_job_file_is_refused_by_export_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path, "mine", {"cola": 0.5})
    (folder / "job.yaml").write_bytes(b"")
    output = str(tmp_path / "answers.zip")
    assert export.main(["--run", "mine", "--storage-path", str(tmp_path), "--fill-missing", "--output", output]) == 2
    assert f"{folder / 'job.yaml'} is empty" in capfd.readouterr().err


def test_what_a_killed_driver_was_writing_is_removed_by_the_next_one(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "mine", {"cola": 0.5})
    (folder / "space.yaml").write_text("space: {learning_rate: [1.0e-4]}\n")
    before = sorted(folder.rglob("*"))
    (folder / "state.pt.0123abcd.part").write_bytes(b"half")
    (folder / "winners" / "cola.0123abcd.part").mkdir()
    (folder / "winners" / "cola.0123abcd.part" / "config.json").write_text("{}")
    resumed_session("mine", str(tmp_path), [])
    assert sorted(path for path in folder.rglob("*") if path.name != ".lock") == before


@pytest.mark.parametrize("left", ["space.yaml", "inputs.json"])
def test_a_start_that_was_cut_off_before_it_could_be_resumed_leaves_the_name_free(left: str, project: Path) -> None:
    (project / "runs" / "mine").mkdir(parents=True)
    (project / "runs" / "mine" / left).write_text("{}")
    assert new_session(load_job("job.yaml"), "job.yaml").name == "mine"
    (project / "runs" / "mine" / "job.yaml").write_text("{}")
    (project / "runs" / "mine" / ".lock").rename(project / "lock")
    with pytest.raises(StorageError, match="--resume mine"):
        new_session(load_job("job.yaml"), "job.yaml")


def test_databricks_by_itself_is_an_address_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAY_SETS, "{}")
    for address in ("databricks", "databricks://profile"):
        check_lasting([("tracking.uri", address)])
    with pytest.raises(ConfigError, match=r"tracking\.uri"):
        check_lasting([("tracking.uri", "sqlite:///here.db")])


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("sqlite:///file:m.db?uri=true", "sqlite:///file:{}/m.db?uri=true"),
        ("sqlite:///m.db?timeout=3", "sqlite:///{}/m.db?timeout=3"),
        ("databricks", "databricks"),
    ],
)
def test_a_store_is_recorded_by_its_absolute_address(
    given: str, recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sections = absolute_places(StorageConfig(path="runs"), TrackingConfig(uri=given))
    assert sections["tracking"].uri == recorded.format(tmp_path)
