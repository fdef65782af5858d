"""``gluetune finetune`` where it goes wrong before anything starts, and which trained model it takes."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from gluetune.api.runs import RunViews
from gluetune.api.session import begin, new_session
from gluetune.api.trained import Trained, open_trained
from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.process import USER_ERROR, run
from gluetune.cli.terminal import Terminal
from gluetune.cli.tune import FINETUNE, finetune_main, one_run, open_session
from gluetune.config import PublishedConfig, load_job
from gluetune.data import read_file
from gluetune.errors import StorageError
from gluetune.events import Event
from gluetune.inference import TextSettings
from gluetune.reporting import summarise
from gluetune.supervisor import INTERRUPTED
from gluetune.tasks import get_task
from sample_search import BEGIN, COLA, ended, folded, plan, started
from searches import ROOT

MRPC = ("--config", str(ROOT / "jobs" / "mrpc_gluon.yaml"), "--data", "synthetic", "--model-name-or-path", "synthetic")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--config: must be given"),
        (
            (*MRPC, "--mode", "evaluate"),
            "--mode: must be one of train_and_eval, train, eval, predict, but got 'evaluate'",
        ),
        ((*MRPC, "--input", "rows.tsv"), "--input: goes with --mode predict only, but got --mode train_and_eval"),
        ((*MRPC, "--mode", "predict", "--dry-run"), "--dry-run: goes with training only, but got --mode predict"),
        ((*MRPC, "--set", "search.space=wide"), "search.space: must not be set: one configuration is run"),
        ((*MRPC, "--mode", "eval"), "no run of mrpc_gluon with a trained model for mrpc is in"),
        ((*MRPC, "--mode", "eval", "--checkpoint", "nowhere"), "must be a folder that exists, but got 'nowhere'"),
        ((*MRPC, "--mode", "predict", "--checkpoint", ".", "--input", "nowhere.tsv"), "nowhere.tsv"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert finetune_main([*arguments, "--storage-path", str(tmp_path)]) == USER_ERROR
    assert message in "".join(capfd.readouterr())


def trained_run(root: Path, name: str, max_seq_length: int = 48) -> None:
    (root / name / "winners" / "mrpc").mkdir(parents=True)
    (root / name / "winners" / "mrpc" / "config.json").write_text("{}")
    (root / name / "job.yaml").write_text(f"data: {{max_seq_length: {max_seq_length}, truncation: proportional}}\n")


def open_as_typed(*arguments: str) -> Trained:
    given = one_run(parse([*MRPC, *arguments], FINETUNE))
    return open_trained(given.config, given.overrides, checkpoint=given.options.get("--checkpoint"))


def test_the_latest_run_of_the_job_file_is_taken_with_the_length_it_was_trained_at(tmp_path: Path) -> None:
    for name in ("mrpc_gluon-20260101-000000", "mrpc_gluon-20260102-000000", "mrpc_gluon-large-20270101-000000"):
        trained_run(tmp_path, name)
    trained = open_as_typed("--storage-path", str(tmp_path))
    assert trained.folders == {"mrpc": f"{tmp_path}/mrpc_gluon-20260102-000000/winners/mrpc"}
    assert (trained.job.data.max_seq_length, trained.job.data.truncation) == (48, "proportional")


def test_a_flag_goes_before_the_length_of_training(tmp_path: Path) -> None:
    trained_run(tmp_path, "mine")
    trained = open_as_typed("--storage-path", str(tmp_path), "--name", "mine", "--max-seq-length", "64")
    assert trained.job.data.max_seq_length == 64


def test_a_model_named_by_itself_reads_text_as_it_was_trained_unless_a_flag_says_otherwise(tmp_path: Path) -> None:
    model = ("--checkpoint", str(tmp_path))
    assert open_as_typed(*model).job.data.truncation == "longest_first"
    TextSettings(max_seq_length=24, truncation="proportional").write(tmp_path)
    data = open_as_typed(*model).job.data
    assert (data.max_seq_length, data.truncation) == (24, "proportional")
    data = open_as_typed(*model, "--max-seq-length", "64").job.data
    assert (data.max_seq_length, data.truncation) == (64, "proportional")


def test_one_output_file_does_not_take_two_splits(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        finetune_main(
            [
                "--config",
                str(ROOT / "jobs" / "mnli_base.yaml"),
                "--data",
                "synthetic",
                "--mode",
                "predict",
                "--checkpoint",
                str(tmp_path),
                "--output",
                str(tmp_path / "out.tsv"),
            ]
        )
        == USER_ERROR
    )
    said = "".join(capfd.readouterr())
    assert "--output: takes one file's rows, but there are test_matched, test_mismatched" in said


def test_every_row_of_a_file_gets_an_answer_or_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.tsv"
    file.write_text(
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t1\t2\ta?\tb?\t0\ntorn\n2\t3\t4\tc?\td?\t1\n"
    )
    with pytest.raises(Exception, match="a row must have 6 tab-separated columns"):
        read_file(file, get_task("qqp"), labels=False)


def test_a_run_that_diverged_is_reported_as_failed_beside_what_was_published() -> None:
    journal: list[Event] = [started(0, "cola"), ended(0, "diverged", "the training loss must be finite")]
    show, out = (
        RunViews(PublishedConfig(source="https://example.org", figures={"train.loss": 0.14})),
        Console(file=io.StringIO(), width=100, color_system=None),
    )
    trials = folded(journal)
    search = plan(fields=(), tasks=(COLA,))
    summary = summarise(search, trials.values(), status="complete", session_started=BEGIN, now=BEGIN + 9)
    show.print_summary(summary, trials.values(), search, out)
    assert [trial.name for trial in show.failed] == ["cola-0000"]
    assert re.search(r"train.loss +1,800 +0\.1400 +–", out.file.getvalue())


def test_a_run_of_another_kind_is_called_what_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "pretraining.yaml").write_text("name: wiki\n")
    assert finetune_main(["--resume", "wiki", "--storage-path", str(tmp_path)]) == USER_ERROR
    assert "'wiki' is a run of gluetune pretrain" in "".join(capfd.readouterr())
    with pytest.raises(StorageError, match="no run of mrpc_gluon"):
        open_as_typed("--storage-path", str(tmp_path))


def test_what_resumes_a_run_that_is_stopped_before_its_start_keeps_the_mode(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = one_run(parse([*MRPC, "--name", "one", "--storage-path", str(tmp_path)], FINETUNE))
    session = new_session(load_job(given.config, given.overrides), given.config)
    begin(session)
    session.unlock()

    def stopped(arguments: ParsedArguments, terminal: Terminal) -> int:
        open_session(arguments, terminal, score=arguments.options["--mode"] != "train")
        raise KeyboardInterrupt

    resumed = ["--resume", "one", "--storage-path", str(tmp_path), "--mode", "train"]
    assert run(FINETUNE, stopped, resumed) == INTERRUPTED
    assert capfd.readouterr().out.rstrip().endswith(shlex.join(resumed))
