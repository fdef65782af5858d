"""Winners are scored in the precision in which they are saved and used, on selection and development rows alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gluetune.config import TrainingConfig
from gluetune.events import TrialRecord, TrialStarted, evaluation_event, replay_events
from gluetune.models import build_model
from gluetune.search.winners import needs_selection_scores
from gluetune.tasks import get_task
from gluetune.training import DistributedContext
from gluetune.training.evaluate import evaluate_rows
from gluetune.workloads.winner_scoring import score_saved
from training_setup import rows, run_trial, task_data, tiny_encoder

TASK = get_task("mnli")
CPU = DistributedContext(device="cpu")


def trained(bf16: bool, folder: Path) -> tuple[TrialRecord, TrainingConfig, torch.nn.Module]:
    """A trial of one epoch as the journal has it, with its best weights in a model."""
    training = TrainingConfig(batch_size=8, num_train_epochs=1, learning_rate=1e-3, bf16=bf16)
    evaluations, checkpoints = run_trial(TASK, training, folder)
    event = evaluation_event(evaluations[0], time=0, number=0)
    record = replay_events([TrialStarted(time=0, number=0, task=TASK.name, params={}, training={}, seed=3), event])[0]
    model = build_model(tiny_encoder(), TASK, training, 3)
    weights = checkpoints.load_best()
    assert weights is not None
    model.load_state_dict(weights)
    return record, training, model.eval()


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
def test_an_evaluation_records_its_precision(bf16: bool, tmp_path: Path) -> None:
    record, _, model = trained(bf16, tmp_path)
    best = record.best
    assert best is not None
    assert best.precision == ("bf16" if bf16 else "fp32")
    again = evaluate_rows(model, TASK, task_data(TASK).selection, 128, CPU, bf16=bf16)
    assert again.loss == pytest.approx(best.eval_loss, rel=1e-6)


def test_selection_rows_are_scored_again_where_trials_computed_in_bf16(tmp_path: Path) -> None:
    record, training, model = trained(True, tmp_path)
    data = replace(task_data(TASK), dev={"validation_matched": rows(TASK, 30, 5)})
    assert needs_selection_scores(record)
    scores, selection = score_saved(model, TASK, data, training, CPU, score_selection=True)  # type: ignore[arg-type]
    assert selection is not None
    expected = evaluate_rows(model, TASK, data.selection, 128, CPU, bf16=False)
    assert selection.loss == pytest.approx(expected.loss, rel=1e-6)
    assert selection.metrics == expected.metrics
    assert record.best is not None
    assert selection.loss != pytest.approx(record.best.eval_loss, rel=1e-6), "bf16 would give the trial's own loss"
    dev = evaluate_rows(model, TASK, data.dev["validation_matched"], 128, CPU, bf16=False)
    assert scores["validation_matched"].loss == pytest.approx(dev.loss, rel=1e-6)


def test_selection_rows_are_not_scored_twice_in_the_same_precision(tmp_path: Path) -> None:
    record, training, model = trained(False, tmp_path)
    assert not needs_selection_scores(record)
    data = task_data(TASK)
    assert score_saved(model, TASK, data, training, CPU, score_selection=False)[1] is None  # type: ignore[arg-type]


def test_a_winner_whose_precision_is_unknown_is_scored_again(tmp_path: Path) -> None:
    record, _, _ = trained(False, tmp_path)
    record.evaluations = [each.model_copy(update={"precision": None}) for each in record.evaluations]
    assert needs_selection_scores(record)
