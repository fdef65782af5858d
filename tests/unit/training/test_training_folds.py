"""Folds trained one after another on one worker, resumed at any point, and the training of a winner on all rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gluetune.config import DataConfig, TrainingConfig
from gluetune.data import EncodedTask
from gluetune.data.folds import assign_folds
from gluetune.events import Evaluation, LaneEvent, PretrainingEvaluation, StepLog
from gluetune.lanes import TrialAssignment
from gluetune.models import build_model
from gluetune.storage import Storage
from gluetune.training import Checkpoints, DistributedContext, train_refit, train_trial
from gluetune.training.evaluate import evaluate_rows
from gluetune.workloads.cross_validation import train_folds
from training_setup import numbers, own_task, rows, tiny_encoder

TASK = own_task("single_label")
FOLDS = 3
TRAINING = TrainingConfig(batch_size=8, num_train_epochs=2, learning_rate=1e-3, logging_steps=3)


@dataclass
class Recorded:
    """A trial's connection to a search that journals evaluations, and stops the trial after one of them."""

    stop_after: int | None = None
    evaluations: list[Evaluation] = field(default_factory=list)
    logs: list[StepLog] = field(default_factory=list)
    stopped: bool = False

    def report(self, evaluation: Evaluation | PretrainingEvaluation) -> bool:
        assert isinstance(evaluation, Evaluation)
        if evaluation.index > len(self.evaluations):
            self.evaluations.append(evaluation)
        self.stopped = evaluation.index == self.stop_after
        return not self.stopped

    def log(self, log: StepLog) -> None:
        self.logs.append(log)

    def should_continue(self, step: int) -> bool:
        return not self.stopped

    def send(self, event: LaneEvent) -> None:
        raise AssertionError("folds report nothing else")


def data() -> EncodedTask:
    train = rows(TASK, 66, 1)
    assert train.labels is not None
    folds = assign_folds(train.labels, TASK, DataConfig(selection="kfold", folds=FOLDS), 5)
    return EncodedTask(TASK, train, train, {}, "generated for a test", folds=folds)


def run(folder: Path, context: Recorded, training: TrainingConfig = TRAINING) -> None:
    assignment = TrialAssignment(0, TASK.name, training.model_dump(), 3, "trial", reported=len(context.evaluations))
    checkpoints = Checkpoints(Storage(str(folder)), "trial")
    train_folds(assignment, data(), tiny_encoder(0.1), context, checkpoints, DistributedContext())


def test_each_fold_is_trained_on_the_rows_of_all_others_and_scored_on_its_own(tmp_path: Path) -> None:
    everything, context = data(), Recorded()
    assert everything.folds is not None
    run(tmp_path, context)
    assert [(each.index, each.fold) for each in context.evaluations] == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)]
    assert {each.eval_examples for each in context.evaluations} == {22}
    assert {each.train_examples for each in context.evaluations} == {44}
    for number in range(1, FOLDS + 1):
        inside = np.flatnonzero(everything.folds == number - 1)
        outside = np.setdiff1d(np.arange(66), inside)
        alone: list[Evaluation] = []
        train, selection = everything.train.select(outside), everything.train.select(inside)
        train_trial(
            TASK,
            replace(everything, train=train, selection=selection, folds=None),
            tiny_encoder(0.1),
            TRAINING,
            3,
            report=lambda evaluation, alone=alone: alone.append(evaluation) or True,  # type: ignore[misc]
        )
        folded = [each.score for each in context.evaluations if each.fold == number]
        assert folded == [each.score for each in alone], "a fold is an ordinary trial on its rows"


def test_steps_of_logs_go_on_over_folds(tmp_path: Path) -> None:
    context = Recorded()
    run(tmp_path, context)
    steps = [log.step for log in context.logs]
    assert steps == sorted(set(steps))
    assert [log.fold for log in context.logs] == sorted(log.fold or 0 for log in context.logs)


@pytest.mark.parametrize("stop_after", range(1, 6))
def test_a_resume_continues_in_the_fold_that_was_interrupted_to_the_same_numbers(
    tmp_path: Path, stop_after: int
) -> None:
    whole, context = Recorded(), Recorded(stop_after=stop_after)
    run(tmp_path / "whole", whole)
    run(tmp_path / "resumed", context)
    assert len(context.evaluations) == stop_after
    context.stop_after, context.stopped = None, False
    run(tmp_path / "resumed", context)
    assert list(map(numbers, context.evaluations)) == list(map(numbers, whole.evaluations))


def test_a_trial_that_is_stopped_after_a_fold_trains_no_further_one(tmp_path: Path) -> None:
    context = Recorded(stop_after=2)
    run(tmp_path, context)
    assert [each.fold for each in context.evaluations] == [1, 1]
    assert not (tmp_path / "trial" / "fold-2").exists()


def test_patience_ends_each_fold_by_itself(tmp_path: Path) -> None:
    context = Recorded()
    run(tmp_path, context, TRAINING.model_copy(update={"num_train_epochs": 6, "patience": 1, "min_delta": 1.0}))
    assert [each.fold for each in context.evaluations] == [1, 1, 2, 2, 3, 3]
    assert [each.index for each in context.evaluations] == [1, 2, 3, 4, 5, 6]


def test_no_weights_are_kept_of_folds(tmp_path: Path) -> None:
    run(tmp_path, Recorded())
    assert not list(tmp_path.rglob("*.safetensors"))


def refit(
    folder: Path, evaluations: int, training: TrainingConfig = TRAINING, stop_at: int | None = None
) -> float | None:
    calls = itertools.count()
    return train_refit(
        data(),
        tiny_encoder(0.1),
        training,
        3,
        evaluations,
        checkpoints=Checkpoints(Storage(str(folder)), "refit"),
        should_continue=lambda step: next(calls) != stop_at,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = Checkpoints(Storage(str(folder)), "refit").load_best()
    assert found is not None
    return found


def test_a_refit_has_the_weights_of_a_trial_on_all_rows_after_the_chosen_epoch(tmp_path: Path) -> None:
    training = TRAINING.model_copy(update={"num_train_epochs": 3})
    assert refit(tmp_path / "refit", 2, training) == 2.0
    checkpoints = Checkpoints(Storage(str(tmp_path)), "trial")
    everything = replace(data(), folds=None)

    def report(evaluation: Evaluation) -> bool:
        return evaluation.index != 2

    train_trial(TASK, everything, tiny_encoder(0.1), training, 3, report=report, checkpoints=checkpoints)
    state = checkpoints.load()
    assert state is not None
    found = weights(tmp_path / "refit")
    same = [name for name, tensor in state["model"].items() if name in found and tensor.shape == found[name].shape]
    assert len(same) > 10
    assert all(torch.equal(found[name], state["model"][name]) for name in same)


def test_an_interrupted_refit_resumes_to_the_same_weights(tmp_path: Path) -> None:
    assert refit(tmp_path / "whole", 2) == 2.0
    assert refit(tmp_path / "resumed", 2, stop_at=12) is None
    assert refit(tmp_path / "resumed", 2) == 2.0
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_models_of_an_ensemble_have_the_scores_of_their_folds(tmp_path: Path) -> None:
    context, everything = Recorded(), data()
    run(tmp_path, context)
    for number in range(1, FOLDS + 1):
        rows_of_fold = everything.of_fold(number)
        checkpoints = Checkpoints(Storage(str(tmp_path)), f"member-{number}")
        assert train_refit(rows_of_fold, tiny_encoder(0.1), TRAINING, 3, 1, checkpoints=checkpoints) == 1.0
        found = checkpoints.load_best()
        assert found is not None
        model = build_model(tiny_encoder(0.1), TASK, TRAINING, 3)
        model.load_state_dict(found)
        output = evaluate_rows(model, TASK, rows_of_fold.selection, 128, DistributedContext(), bf16=False)
        assert output.loss == context.evaluations[2 * number - 2].eval_loss


@pytest.mark.parametrize("average", [{"weight_average": 2}, {"ema_decay": 0.9}])
def test_a_refit_saves_the_average_weights_that_the_folds_were_scored_with(
    tmp_path: Path, average: dict[str, float]
) -> None:
    refit(tmp_path / "plain", 2)
    refit(tmp_path / "averaged", 2, TRAINING.model_copy(update=average))
    plain, averaged = weights(tmp_path / "plain"), weights(tmp_path / "averaged")
    assert any(not torch.equal(plain[name], averaged[name]) for name in plain)


def test_a_refit_with_max_steps_ends_at_the_latest_after_these(tmp_path: Path) -> None:
    training = TRAINING.model_copy(update={"max_steps": 12})
    assert refit(tmp_path, 2, training) == pytest.approx(12 / 9)
