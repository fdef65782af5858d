"""The loop on one worker: resume, endings, accumulation and memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gluetune.errors import DivergedError, TrialOutOfMemoryError
from gluetune.events import PretrainingEvaluation
from gluetune.pretraining import (
    PretrainingData,
    PretrainJob,
    Text,
    prepare_text,
    pretrainer,
    summary_metrics,
    train_encoder,
)
from gluetune.storage import Storage
from gluetune.training import Checkpoints


@pytest.fixture(scope="module")
def data(text: Text, tiny: PretrainJob) -> PretrainingData:
    return prepare_text(text, tiny)[0]


def changed(job: PretrainJob, dropout: float = 0.0, **training: Any) -> PretrainJob:
    """A job with another dropout rate or other fields of its section ``training``."""
    return job.model_copy(
        update={
            "model": job.model.model_copy(update={"dropout": dropout}),
            "training": job.training.model_copy(update=training),
        }
    )


class Session:
    """Runs or resumes a job in a folder; ``reported`` collects its evaluations."""

    def __init__(self, folder: Path) -> None:
        self.checkpoints = Checkpoints(Storage(str(folder)), "run")
        self.reported: list[PretrainingEvaluation] = []

    def run(
        self,
        data: PretrainingData,
        job: PretrainJob,
        stop_after: int | None = None,
        should_continue: Callable[[int], bool] = lambda step: True,
    ) -> bool:
        def report(evaluation: PretrainingEvaluation) -> bool:
            self.reported.append(evaluation)
            return evaluation.index != stop_after

        return train_encoder(data, job, report=report, checkpoints=self.checkpoints, should_continue=should_continue)

    @property
    def numbers(self) -> list[PretrainingEvaluation]:
        """What must be the same in the same run: everything but the clock."""
        return [
            evaluation.model_copy(
                update=dict.fromkeys(("train_seconds", "eval_seconds", "first_step_at", "last_step_at"))
            )
            for evaluation in self.reported
        ]


@pytest.mark.parametrize("stop_after", [1, 2, 3])  # the first in the first round, the others in the second and third
def test_a_resumed_run_gives_the_same_numbers_and_weights(
    stop_after: int, data: PretrainingData, tiny: PretrainJob, tmp_path: Path
) -> None:
    job = changed(tiny, dropout=0.2, max_steps=40, evaluate_every=10)
    whole = Session(tmp_path / "whole")
    assert whole.run(data, job)
    assert [int(evaluation.epoch) for evaluation in whole.reported] == [0, 1, 2, 3]
    first, then = Session(tmp_path / "parts"), Session(tmp_path / "parts")
    assert not first.run(data, job, stop_after)
    torch.rand(7)  # another process has other random numbers
    assert then.run(data, job)
    assert first.numbers + then.numbers[1:] == whole.numbers
    assert first.numbers[-1] == then.numbers[0]  # reported again: the process may end between saving and reporting
    one, other = whole.checkpoints.load_best(), then.checkpoints.load_best()
    assert one is not None
    assert other is not None
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_should_continue_is_called_before_every_step_and_stops_the_run(
    data: PretrainingData, tiny: PretrainJob, tmp_path: Path
) -> None:
    session, asked = Session(tmp_path), []
    assert not session.run(data, tiny, should_continue=lambda step: asked.append(step) or step < 3)
    assert asked == [0, 1, 2, 3]
    assert not session.reported


def test_evaluations_hold_throughput_and_learning_rate(
    data: PretrainingData, tiny: PretrainJob, tmp_path: Path
) -> None:
    session = Session(tmp_path)
    session.run(data, changed(tiny, max_steps=10, evaluate_every=5, warmup_ratio=0.5, learning_rate=0.01))
    first, last = session.reported
    assert first.pairs == pytest.approx(5 * 16, abs=16)  # a round's last batches are smaller
    assert first.pairs_per_second == first.pairs / first.train_seconds
    assert first.tokens > 10 * first.pairs
    assert (first.learning_rate, last.learning_rate) == (0.01, pytest.approx(0.002))
    assert first.first_step_at is not None
    assert last.first_step_at is None
    assert last.last_step_at > first.last_step_at > first.first_step_at


def test_summary_metrics_are_means_over_the_whole_run(data: PretrainingData, tiny: PretrainJob, tmp_path: Path) -> None:
    session, single = Session(tmp_path / "a"), Session(tmp_path / "b")
    session.run(data, changed(tiny, max_steps=25, evaluate_every=10))
    single.run(data, changed(tiny, max_steps=25, evaluate_every=25))
    assert [evaluation.step for evaluation in session.reported] == [10, 20, 25]
    several, one = summary_metrics(session.reported), summary_metrics(single.reported)
    assert several["train.masked_lm_loss"] == pytest.approx(single.reported[0].train_masked_lm_loss, abs=1e-9)
    speed = "train.pairs_per_second"
    assert {name: value for name, value in several.items() if name != speed} == pytest.approx(
        {name: value for name, value in one.items() if name != speed}, abs=1e-9
    )
    assert several[speed] == pytest.approx(
        sum(evaluation.pairs for evaluation in session.reported)
        / sum(evaluation.train_seconds for evaluation in session.reported)
    )


def losses(session: Session) -> list[float]:
    return [
        value
        for evaluation in session.reported
        for value in (
            evaluation.train_masked_lm_loss,
            evaluation.train_next_sentence_loss,
            evaluation.masked_lm_loss,
            evaluation.next_sentence_loss,
        )
    ]


def test_accumulated_gradients_are_the_batchs(data: PretrainingData, tiny: PretrainJob, tmp_path: Path) -> None:
    whole, parts = Session(tmp_path / "whole"), Session(tmp_path / "parts")
    whole.run(data, tiny)
    parts.run(data, changed(tiny, gradient_accumulation_steps=3))
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-4)


def test_evaluation_does_not_depend_on_its_batch_size_but_for_masks(
    data: PretrainingData, tiny: PretrainJob, tmp_path: Path
) -> None:
    one, other = Session(tmp_path / "one"), Session(tmp_path / "other")
    one.run(data, changed(tiny, max_steps=5))
    other.run(data, changed(tiny, max_steps=5, eval_batch_size=2))
    assert other.reported[0].next_sentence_loss == pytest.approx(one.reported[0].next_sentence_loss, abs=0.02)
    assert 0 <= other.reported[0].masked_lm_accuracy <= 1


def test_a_run_that_diverges_names_the_step(data: PretrainingData, tiny: PretrainJob, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"must be finite, but got \(masked_lm=.*step=\d+\)"):
        Session(tmp_path).run(data, changed(tiny, learning_rate=1e30))


def limited(monkeypatch: pytest.MonkeyPatch, pairs: int) -> list[int]:
    """Let a forward pass of more than so many pairs run out of memory; return the sizes that passed."""
    passed: list[int] = []
    original = pretrainer.head_scores

    def head_scores(objective: Any, tensors: dict[str, torch.Tensor], *args: Any, **options: Any) -> Any:
        size = len(tensors["input_ids"])
        if size > pairs:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        passed.append(size)
        return original(objective, tensors, *args, **options)

    monkeypatch.setattr(pretrainer, "head_scores", head_scores)
    return passed


def test_a_batch_that_does_not_fit_is_split_into_micro_batches(
    data: PretrainingData, tiny: PretrainJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = Session(tmp_path / "whole"), Session(tmp_path / "parts")
    whole.run(data, tiny)
    passed = limited(monkeypatch, 4)
    assert parts.run(data, tiny)
    assert max(passed) == 4
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-4)


def test_too_little_memory_names_what_to_change(
    data: PretrainingData, tiny: PretrainJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 0)
    rule = r"batch_size=16, gradient_accumulation_steps=1\): CUDA out of memory"
    with pytest.raises(TrialOutOfMemoryError, match=rule):
        Session(tmp_path).run(data, tiny)


def test_bf16_changes_the_precision_of_the_losses(data: PretrainingData, tiny: PretrainJob, tmp_path: Path) -> None:
    full, half = Session(tmp_path / "full"), Session(tmp_path / "half")
    full.run(data, tiny)
    half.run(data, changed(tiny, bf16=True))
    assert losses(half) == pytest.approx(losses(full), abs=0.05)
    assert losses(half) != losses(full)
