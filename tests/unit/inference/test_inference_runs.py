"""Which run's winner answers which task."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gluetune.config import Override
from gluetune.errors import ConfigError, StorageError
from gluetune.events import Journal, RunInputs, SplitInput
from gluetune.inference import best_winners, missing_tasks, of_different_rows, read_winners
from gluetune.storage import Storage
from hand_made_runs import write_run


def test_the_higher_selection_score_answers_and_of_equals_the_first_run(tmp_path: Path) -> None:
    write_run(tmp_path, "one", {"cola": 0.4, "rte": 0.6, "mrpc": 0.8})
    write_run(tmp_path, "two", {"cola": 0.5, "rte": 0.6, "mrpc": 0.7})
    root = Storage(str(tmp_path))
    best = best_winners(winner for run in ("one", "two") for winner in read_winners(root, run))
    assert {task: (winner.run, winner.score) for task, winner in best.items()} == {
        "cola": ("two", 0.5),
        "rte": ("one", 0.6),
        "mrpc": ("one", 0.8),
    }
    assert best["cola"].trial == "cola-0000"
    assert best["cola"].folder == str(tmp_path / "two" / "winners" / "cola")
    assert (best["cola"].data.max_seq_length, best["cola"].batch_size) == (32, 64)
    assert missing_tasks(best) == ["sst2", "stsb", "mnli", "qnli", "wnli", "qqp"]


def keep_fingerprints(run: Path, **selection: str) -> None:
    """Write which selection rows a run's winners were chosen on."""
    tasks = {task: {"selection": SplitInput(rows=10, sha256=sha256)} for task, sha256 in selection.items()}
    RunInputs(tasks=tasks).save(Storage(str(run)))


def test_winners_of_different_selection_rows_are_named(tmp_path: Path) -> None:
    for run in ("one", "two"):
        write_run(tmp_path, run, {"cola": 0.4, "rte": 0.6, "mrpc": 0.8})
    write_run(tmp_path, "three", {"sst2": 0.9})
    keep_fingerprints(tmp_path / "one", cola="a", rte="a")
    keep_fingerprints(tmp_path / "two", cola="a", rte="b")
    root = Storage(str(tmp_path))
    winners = [winner for run in ("one", "two", "three") for winner in read_winners(root, run)]
    assert of_different_rows(winners) == {"rte": ["one", "two"], "mrpc": ["one", "two"]}


def test_a_winner_is_compared_by_the_score_of_its_saved_model(tmp_path: Path) -> None:
    """Trials on a GPU are evaluated in bf16; the saved models of two runs are compared in the same precision."""
    folder = write_run(tmp_path, "one", {"cola": 0.4})
    journal = Journal(Storage(str(folder)))
    (trial,) = journal.trials.values()
    assert trial.winner is not None
    journal.append(trial.winner.model_copy(update={"selection_scores": {"matthews_correlation": 0.41}}))
    (winner,) = read_winners(Storage(str(tmp_path)), "one")
    assert winner.score == 0.41


def test_a_run_that_was_moved_is_read_where_it_is(tmp_path: Path) -> None:
    write_run(tmp_path / "old", "one", {"cola": 0.4})
    shutil.move(tmp_path / "old", tmp_path / "new")
    (winner,) = read_winners(Storage(str(tmp_path / "new")), "one")
    assert winner.folder == str(tmp_path / "new" / "one" / "winners" / "cola")


def test_an_unknown_run_is_named_with_those_there_are(tmp_path: Path) -> None:
    root = Storage(str(tmp_path / "runs"))
    with pytest.raises(StorageError, match=r"no run 'grid' in .*/runs; there are none$"):
        read_winners(root, "grid")
    for name in ("glue-all", "quickstart"):
        write_run(tmp_path / "runs", name, {"cola": 0.4})
    (tmp_path / "runs" / "mlartifacts").mkdir()
    with pytest.raises(StorageError, match=r"; there are: glue-all, quickstart; nearest: 'quickstart'$"):
        read_winners(root, "quickstrat")


def test_a_run_without_winners_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(write_run(tmp_path, "empty", {"cola": 0.4}) / "journal")
    write_run(tmp_path, "snli", {"snli": 0.7})
    for name, others in (("empty", ""), ("snli", r" \(it has winners of snli\)")):
        with pytest.raises(StorageError, match=f"a run must have saved a winner .*, but .*/{name} has none{others}$"):
            read_winners(Storage(str(tmp_path)), name)


def test_a_winner_whose_model_is_gone_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(write_run(tmp_path, "one", {"cola": 0.4}) / "winners")
    with pytest.raises(StorageError, match=r"the model of winner cola-0000 must be in .*/one/winners/cola, but there"):
        read_winners(Storage(str(tmp_path)), "one")


def test_another_data_folder_is_checked_as_a_job_files_is(tmp_path: Path) -> None:
    write_run(tmp_path, "one", {"cola": 0.4})
    overrides = [Override("data.source", "dir", "--data-dir"), Override("data.dir", "/nowhere", "--data-dir")]
    with pytest.raises(ConfigError, match="--data-dir: must be an existing folder, but got '/nowhere'"):
        read_winners(Storage(str(tmp_path)), "one", overrides)
