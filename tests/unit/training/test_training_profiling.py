"""The profile of a trial: its steps are real, and a scripted profiler stands in for the GPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gluetune.config import TrainingConfig
from gluetune.tasks import get_task
from gluetune.training import DistributedContext
from gluetune.training.profiling import (
    MAX_TRIALS_PER_GPU,
    MEASURED_STEPS,
    WARMUP_STEPS,
    ResourceProfile,
    interval_union,
    profile_trial,
)
from gluetune.training.trainer import TrialTrainer
from training_setup import task_data, tiny_encoder


class ScriptedProfiler:
    """Runs the work and returns fixed shares; ``calls`` lists what was measured."""

    def __init__(self, memory: float, busy: float) -> None:
        self._memory, self._busy = memory, busy
        self.calls: list[str] = []

    def memory(self, work: Callable[[], None]) -> float:
        work()
        self.calls.append("memory")
        return self._memory

    def busy(self, work: Callable[[], None]) -> float:
        work()
        self.calls.append("busy")
        return self._busy


@pytest.mark.parametrize(
    ("memory", "busy", "trials"),
    [
        (0.30, 0.30, 3),  # 3 × 30% fit, and fill the time
        (0.10, 0.50, 2),  # memory for nine, but two keep it busy
        (0.50, 0.10, 1),  # two would take all of the memory, which leaves none to spare
        (0.95, 0.95, 1),
        (1.00, 1.00, 1),
        (0.01, 0.01, MAX_TRIALS_PER_GPU),
    ],
)
def test_trials_share_a_gpu_while_they_fit_its_memory_and_its_time(memory: float, busy: float, trials: int) -> None:
    assert ResourceProfile(memory, busy).trials_per_gpu == trials


def test_the_profile_uses_the_longest_rows_for_memory_and_usual_ones_for_time(monkeypatch: pytest.MonkeyPatch) -> None:
    task = get_task("cola")
    data = task_data(task)
    steps: list[int] = []
    sizes: list[int] = []
    train_step = TrialTrainer.train_step

    def counted(trainer: TrialTrainer, batch: np.ndarray) -> None:
        steps.append(int(data.train.lengths[batch].min()))
        sizes.append(len(batch))
        train_step(trainer, batch)

    monkeypatch.setattr(TrialTrainer, "train_step", counted)
    profiler = ScriptedProfiler(0.2, 0.4)
    profile = profile_trial(
        task, data, data.vocabulary, tiny_encoder(), TrainingConfig(batch_size=8), 4, 3, profiler, DistributedContext()
    )
    assert profile == ResourceProfile(0.2, 0.4)
    assert profiler.calls == ["memory", "busy"]
    assert len(steps) == 2 + WARMUP_STEPS + MEASURED_STEPS
    eighth_longest = sorted(data.train.lengths)[-8]
    assert steps[:2] == [eighth_longest] * 2
    assert min(steps[2:]) < eighth_longest
    assert sizes[:2] == [8, 8]
    assert max(sizes[2:]) == 4


def test_overlapping_kernels_count_once() -> None:
    assert interval_union([(0, 2), (1, 3), (5, 6), (5.5, 5.7)]) == 4
    assert interval_union([]) == 0
