"""Whole trials: their numbers repeat, they resume, they end when stopped, and their failures have types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gluetune.config import TrainingConfig
from gluetune.errors import DivergedError, TrialOutOfMemoryError
from gluetune.events import Evaluation
from gluetune.models import build_model
from gluetune.tasks import TASKS
from gluetune.training import Checkpoints, train_trial, trainer
from training_setup import numbers, run_trial, task_data, tiny_encoder

COLA = TASKS["cola"]
NOISY = TrainingConfig(batch_size=8, learning_rate=5e-3, num_train_epochs=2, evals_per_epoch=2, hidden_dropout_prob=0.2)


def train(training: TrainingConfig, **kwargs: Any) -> tuple[bool, list[Evaluation]]:
    evaluations: list[Evaluation] = []
    finished = train_trial(
        COLA,
        task_data(COLA),
        tiny_encoder(),
        training,
        3,
        **{"report": lambda evaluation: evaluations.append(evaluation) is None, **kwargs},
    )
    return finished, evaluations


Run = tuple[list[Evaluation], Checkpoints]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_trial(COLA, NOISY, tmp_path_factory.mktemp("undisturbed"))


def test_the_same_trial_gives_the_same_bits_whatever_ran_before(undisturbed: Run, tmp_path: Path) -> None:
    first, kept = undisturbed
    run_trial(TASKS["stsb"], NOISY, tmp_path / "another", seed=8)
    torch.rand(7)
    second, again = run_trial(COLA, NOISY, tmp_path / "second")
    assert [numbers(e) for e in first] == [numbers(e) for e in second]
    assert_same_bits(kept.load_best(), again.load_best())


def test_the_random_state_of_the_caller_is_not_changed() -> None:
    before = torch.get_rng_state()
    train(NOISY.model_copy(update={"max_steps": 2}))
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_gives_another_trial(undisturbed: Run, tmp_path: Path) -> None:
    first, _ = undisturbed
    second, _ = run_trial(COLA, NOISY, tmp_path / "second", seed=4, stop_after=1)
    assert first[0].train_loss != second[0].train_loss


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_a_trial_resumes_to_the_same_bits_after_any_evaluation(
    stop_after: int, undisturbed: Run, tmp_path: Path
) -> None:
    evaluations, whole = undisturbed
    run_trial(COLA, NOISY, tmp_path / "parts", stop_after=stop_after)
    resumed, parts = run_trial(COLA, NOISY, tmp_path / "parts")
    saved = min(stop_after, 3)  # no state is kept of the last evaluation: nothing comes after it
    assert [numbers(e) for e in resumed] == [numbers(e) for e in evaluations][saved - 1 :]  # reported again
    assert_same_bits(parts.load_best(), whole.load_best())
    ended, expected = parts.load(), whole.load()
    assert ended is not None
    assert expected is not None
    assert_same_bits(ended["model"], expected["model"])


@pytest.mark.parametrize(
    "fields",
    [
        {"head": "mlp", "head_hidden_size": 8, "pooling": "max"},
        {"head": "nsp", "pooling": "mean"},
        {"head": "linear"},
        {},
    ],
    ids=str,
)
def test_frozen_weights_stay_under_any_head_and_a_trial_resumes(fields: dict[str, Any], tmp_path: Path) -> None:
    training = NOISY.model_copy(update={"freeze_layers": 1, **fields})
    evaluations, whole = run_trial(COLA, training, tmp_path / "whole")
    run_trial(COLA, training, tmp_path / "parts", stop_after=2)
    resumed, parts = run_trial(COLA, training, tmp_path / "parts")
    assert [numbers(e) for e in resumed] == [numbers(e) for e in evaluations][1:]
    best = parts.load_best()
    assert best is not None
    assert_same_bits(best, whole.load_best())
    prefix = "bert." if not fields else "encoder."
    for name, array in tiny_encoder().weights.items():
        if "pooler" not in name:
            same = torch.equal(best[prefix + name.removeprefix("bert.")], torch.from_numpy(array))
            assert same == (".layer.1." not in name), name


def test_the_best_evaluations_weights_are_kept(tmp_path: Path) -> None:
    """A far too large rate at the end of warm-up spoils the model; the weights of the peak must survive it."""
    training = TrainingConfig(batch_size=8, learning_rate=0.1, num_train_epochs=4, warmup_ratio=1.0, max_grad_norm=0)
    evaluations, checkpoints = run_trial(TASKS["stsb"], training, tmp_path)
    best = max(evaluations, key=lambda evaluation: evaluation.score)
    assert best is not evaluations[-1]
    _, until_best = run_trial(TASKS["stsb"], training, tmp_path / "until best", stop_after=best.index)
    state = until_best.load()
    assert state is not None
    assert_same_bits(checkpoints.load_best(), state["model"])


def test_counters_add_up_to_the_rows_seen() -> None:
    finished, evaluations = train(NOISY)
    assert finished
    assert [(e.index, e.step, e.epoch) for e in evaluations] == [
        (1, 5, 5 / 9),
        (2, 9, 1.0),
        (3, 14, 14 / 9),
        (4, 18, 2.0),
    ]
    assert sum(e.train_examples for e in evaluations) == 2 * 65
    assert sum(e.train_tokens for e in evaluations) == 2 * len(task_data(COLA).train.input_ids)


def test_clocks_run_forward_and_only_the_first_evaluation_has_the_time_of_the_first_step() -> None:
    _, evaluations = train(NOISY)
    assert evaluations[0].first_step_at is not None
    assert evaluations[0].first_step_at < evaluations[0].last_step_at < evaluations[1].last_step_at
    assert all(e.first_step_at is None for e in evaluations[1:])
    assert all(e.train_seconds > 0 and e.eval_seconds > 0 for e in evaluations)


def test_a_report_ends_the_trial() -> None:
    evaluations: list[Evaluation] = []
    finished, _ = train(NOISY, report=lambda evaluation: evaluations.append(evaluation) is not None)
    assert (finished, len(evaluations)) == (False, 1)


def test_wanted_is_asked_before_every_step_and_ends_the_trial() -> None:
    asked: list[int] = []
    finished, evaluations = train(NOISY, should_continue=lambda step: asked.append(step) is None and step < 7)
    assert (finished, len(evaluations), asked) == (False, 1, list(range(8)))


def test_max_steps_ends_a_trial_with_an_evaluation() -> None:
    finished, evaluations = train(NOISY.model_copy(update={"max_steps": 7}))
    assert finished
    assert [e.step for e in evaluations] == [5, 7]


@pytest.mark.parametrize("pieces", [3, 8, 50])
def test_accumulation_gives_the_gradients_of_the_whole_batch(pieces: int) -> None:
    """8 rows in 3 pieces are uneven, and 50 pieces are more than there are rows."""
    training = NOISY.model_copy(update={"hidden_dropout_prob": 0.0})
    _, whole = train(training)
    _, parts = train(training.model_copy(update={"gradient_accumulation_steps": pieces}))
    assert [e.train_loss for e in parts] == pytest.approx([e.train_loss for e in whole], abs=1e-5)
    assert [e.eval_loss for e in parts] == pytest.approx([e.eval_loss for e in whole], abs=1e-5)


def test_a_loss_that_is_no_number_ends_the_trial_and_names_the_step() -> None:
    with pytest.raises(DivergedError, match=r"training loss must be finite, but got \(loss=(nan|inf), step=\d+\)"):
        train(TrainingConfig(batch_size=8, learning_rate=1e30, warmup_ratio=0))


def test_logits_that_are_no_numbers_end_the_trial() -> None:
    with pytest.raises(DivergedError, match="logits must be finite"):
        train(TrainingConfig(batch_size=8, learning_rate=1e30, warmup_ratio=0, max_steps=1))


def limit_memory(monkeypatch: pytest.MonkeyPatch, most_rows: int) -> None:
    """Make models that have memory for so many rows at a time."""

    def short_of_memory(*args: Any) -> nn.Module:
        def check(module: nn.Module, positional: Any, inputs: dict[str, torch.Tensor]) -> None:
            if module.training and len(inputs["input_ids"]) > most_rows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")

        model = build_model(*args)
        model.register_forward_pre_hook(check, with_kwargs=True)
        return model

    monkeypatch.setattr(trainer, "build_model", short_of_memory)


def test_a_batch_too_large_for_memory_is_trained_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    training = NOISY.model_copy(update={"hidden_dropout_prob": 0.0})
    _, whole = train(training)
    limit_memory(monkeypatch, 3)
    _, parts = train(training)
    assert [e.train_loss for e in parts] == pytest.approx([e.train_loss for e in whole], abs=1e-5)
    assert [e.train_examples for e in parts] == [e.train_examples for e in whole]


def test_a_row_too_large_for_memory_ends_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_memory(monkeypatch, 0)
    with pytest.raises(TrialOutOfMemoryError, match=r"must fit the memory of cpu, but got \(batch_size=8.*1.00 GiB"):
        train(NOISY)


def test_other_errors_pass_through() -> None:
    def broken(evaluation: Evaluation) -> bool:
        raise RuntimeError("the mailbox is gone")

    with pytest.raises(RuntimeError, match="the mailbox is gone"):
        train(NOISY, report=broken)


def assert_same_bits(one: dict[str, torch.Tensor] | None, other: dict[str, torch.Tensor] | None) -> None:
    assert one is not None
    assert other is not None
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
