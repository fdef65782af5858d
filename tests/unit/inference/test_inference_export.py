"""From winners to the zip: who answers what, and with what."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import ConfigError, DataError, ModelError, StorageError
from gluetune.inference import FILES, Winner, export_submission, load_classifier, predict_examples, read_winners
from gluetune.storage import Storage
from gluetune.tasks import TASKS, get_task
from gluetune.training import DistributedContext
from hand_made_runs import write_run
from tiny_classifiers import write_classifier

FILE = {file.name: file for file in FILES}


def winners(root: Path, *tasks: str, **data: object) -> dict[str, Winner]:
    write_run(root, "run", dict.fromkeys(tasks, 0.5), **data)
    return {winner.task: winner for winner in read_winners(Storage(str(root)), "run")}


def column(path: Path, name: str) -> list[str]:
    """The predictions of one file."""
    with zipfile.ZipFile(path) as archive:
        return [line.split("\t")[1] for line in archive.read(name).decode().splitlines()[1:]]


def test_the_diagnostic_set_is_answered_by_the_winner_of_mnli(tmp_path: Path) -> None:
    won = winners(tmp_path, "mnli")
    answers = export_submission(won, tmp_path / "s.zip", DistributedContext(), fill_missing=True)
    by = {answer.file.name: answer.by and answer.by.task for answer in answers}
    assert {name for name, task in by.items() if task} == {"MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"}
    ax = SyntheticSource().load(get_task("ax"), "test")
    expected = predict_examples(load_classifier(won["mnli"].folder, get_task("ax"), won["mnli"].data), ax, 64)
    assert column(tmp_path / "s.zip", "AX.tsv") == expected.labels
    assert len(set(expected.labels)) > 1


def test_missing_tasks_are_an_error_unless_filled(tmp_path: Path) -> None:
    won = winners(tmp_path, "cola", "mnli", "qqp")
    with pytest.raises(ConfigError) as refused:
        export_submission(won, tmp_path / "s.zip", DistributedContext())
    assert str(refused.value) == (
        "--run: a submission takes a winner of every task, but there is none of sst2, mrpc, "
        "stsb, qnli, rte, wnli; name more runs, or give --fill-missing for constant "
        "predictions"
    )
    assert not (tmp_path / "s.zip").exists()


def test_missing_tasks_are_filled_with_what_train_holds_most(tmp_path: Path) -> None:
    answers = {
        answer.file.name: answer
        for answer in export_submission(
            winners(tmp_path, "cola"), tmp_path / "s.zip", DistributedContext(), fill_missing=True
        )
    }
    source = SyntheticSource()
    for name, answer in answers.items():
        if name != "CoLA.tsv":
            labels = source.load(TASKS[answer.file.model_task], "train").labels
            wanted = (
                f"{labels.mean():.3f}" if name == "STS-B.tsv" else answer.file.spellings[np.bincount(labels).argmax()]  # type: ignore[arg-type]
            )
            assert set(answer.values) == {wanted} == set(column(tmp_path / "s.zip", name))
            assert len(answer.values) == len(source.load(answer.file.task, answer.file.split))
            assert (answer.by, answer.constant) == (
                None,
                "mean of train" if name == "STS-B.tsv" else "majority of train",
            )


def test_without_train_rows_a_constant_is_the_first_class_or_the_middle(tmp_path: Path) -> None:
    data = tmp_path / "glue" / "RTE"
    data.mkdir(parents=True)
    rows = "".join(f"{row}\ta\tb\n" for row in range(3000))
    (data / "test.tsv").write_text(f"index\tsentence1\tsentence2\n{rows}")
    won = winners(tmp_path, "rte", source="dir", dir=str(data.parent))
    answers = {
        answer.file.name: answer
        for answer in export_submission(won, tmp_path / "s.zip", DistributedContext(), fill_missing=True)
    }
    assert {
        name: (set(answers[name].values), answers[name].constant, len(answers[name].values))
        for name in ("STS-B.tsv", "QNLI.tsv", "WNLI.tsv")
    } == {
        "STS-B.tsv": ({"2.500"}, "middle of the range", 1379),
        "QNLI.tsv": ({"entailment"}, "first class", 5463),
        "WNLI.tsv": ({"0"}, "first class", 146),
    }


def test_a_winners_missing_test_rows_are_never_filled(tmp_path: Path) -> None:
    (tmp_path / "glue").mkdir()
    with pytest.raises(DataError, match=r"rte's test rows must stand in RTE/test\.tsv, but there is no such file"):
        export_submission(
            winners(tmp_path, "rte", source="dir", dir=str(tmp_path / "glue")),
            tmp_path / "s.zip",
            DistributedContext(),
            fill_missing=True,
        )


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    won = winners(tmp_path, "rte")
    write_classifier(Path(won["rte"].folder), get_task("wnli"))
    with pytest.raises(ModelError, match=r"those of .* are \(not_entailment, entailment\); it answers wnli"):
        export_submission(won, tmp_path / "s.zip", DistributedContext(), fill_missing=True)


def test_an_output_that_cannot_be_written_is_found_before_predicting(
    tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        export_submission(
            winners(tmp_path, "rte"),
            tmp_path / "file" / "s.zip",
            DistributedContext(),
            fill_missing=True,
        )
    assert logged() == []
