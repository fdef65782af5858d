"""Searches whose trials train nothing: they sleep, or do nothing, so that all time is gluetune's own.

Cluster, Ray Tune, lanes, search controller, journal, MLflow record and live table are real. As a program it
runs one such search on a cluster of its own and prints, as JSON, when its trials ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
from rich.console import Console

from benchmarks.programs import TrialEndRecorder
from gluetune.cluster import connect_to_ray
from gluetune.config import Algorithm, SchedulerConfig, SearchConfig, SearchSpace, TrainingConfig
from gluetune.config.job import SchedulerName
from gluetune.events import (
    Evaluated,
    Evaluation,
    Event,
    Journal,
    JournalReader,
    LaneEvent,
    SearchPlan,
    TaskPlan,
    TrialEnded,
    TrialRecord,
    TrialStarted,
)
from gluetune.lanes import LanePool, LaneSpec, TrialAssignment, TrialContext
from gluetune.reporting import LiveTable
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.schedulers import TaskPruners, max_epochs
from gluetune.search.searchers import TrialSampler, TrialSpec
from gluetune.search.trials import SearchStatus, run_trials
from gluetune.storage import Storage
from gluetune.tracking import Tracker
from gluetune.training import Checkpoints, DistributedContext

TASK, METRIC, SEED, CPUS = "cola", "matthews_correlation", 1, 0.01
SPACE = SearchSpace.model_validate(
    {
        "name": "noop",
        "training": {"num_train_epochs": 2},
        "space": {
            "learning_rate": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True},
            "batch_size": {"type": "choice", "values": [8, 16, 32, 64, 128]},
            "weight_decay": {"type": "float", "low": 1e-6, "high": 0.3, "log": True},
            "warmup_ratio": {"type": "float", "low": 0.0, "high": 0.3},
        },
    }
)
"""The fields of ``search_spaces/wide.yaml``."""


@dataclass(frozen=True)
class NoopSearchSpec:
    """The size and settings of a search.

    Attributes:
        count: trials.
        lanes: at the same time.
        algorithm: the search algorithm.
        scheduler: the scheduler.
        evaluations: of each trial.
        steps: before each evaluation.
        step_s: seconds that a step sleeps; an evaluation sleeps as long.
    """

    count: int
    lanes: int
    algorithm: Algorithm = "random"
    scheduler: SchedulerName = "asha"
    evaluations: int = 2
    steps: int = 0
    step_s: float = 0.0

    @property
    def trial_s(self) -> float:
        """Seconds that a trial takes if nothing but its steps and evaluations takes time."""
        return self.evaluations * (self.steps + 1) * self.step_s


@dataclass(frozen=True)
class Timeline:
    """When things happened, in seconds since the epoch.

    Attributes:
        started: when the first trial began its first step; all lanes had started by then.
        ended: when each trial ended, in that order.
        recorded: when MLflow had the last of it; ``None`` where nothing went to MLflow.
        cpu_s: seconds of CPU that the driver took, all its threads together, between the first trial's end and the
            last one's.
    """

    started: float
    ended: Sequence[float]
    recorded: float | None
    cpu_s: float = 0.0


def noop_score(training: Mapping[str, Any]) -> float:
    """Compute a score that has one optimum."""
    return math.exp(-abs(math.log10(training["learning_rate"]) + 4) - training["warmup_ratio"])


class StartBarrier:
    """An asynchronous Ray actor at which lanes wait until all of them have started."""

    def __init__(self, lanes: int) -> None:
        self._missing, self._complete = lanes, asyncio.Event()

    async def arrive(self) -> None:
        """Wait until all lanes have arrived."""
        self._missing -= 1
        if self._missing <= 0:
            self._complete.set()
        await self._complete.wait()


class NoopTrial:
    """A trial runner for lanes that sleeps through steps and evaluations.

    Args:
        trials: the numbers of steps and evaluations, and how long they sleep.
        barrier: a `StartBarrier` actor.
    """

    def __init__(self, trials: NoopSearchSpec, barrier: Any) -> None:
        self._trials, self._barrier, self._arrived = trials, barrier, False

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Run one trial."""
        if not self._arrived:
            ray.get(self._barrier.arrive.remote())
            self._arrived = True
        for index in range(1, self._trials.evaluations + 1):
            began = time.monotonic()
            for step in range(self._trials.steps):
                if not context.should_continue(step):
                    return
                time.sleep(self._trials.step_s)
            trained = time.monotonic()
            time.sleep(self._trials.step_s)
            if not context.report(self._evaluation(assignment, index, began, trained)):
                return

    def _evaluation(self, assignment: TrialAssignment, index: int, began: float, trained: float) -> Evaluation:
        found, now = noop_score(assignment.training), time.monotonic()
        steps = max(1, self._trials.steps)
        total = steps * self._trials.evaluations
        return Evaluation(
            index=index,
            step=index * steps,
            total_steps=total,
            steps_per_epoch=max(1, total // assignment.training["num_train_epochs"]),
            epoch=index * assignment.training["num_train_epochs"] / self._trials.evaluations,
            score=found,
            metrics={METRIC: found},
            eval_loss=1 - found,
            train_loss=1 - found,
            train_accuracy=None,
            learning_rate=0.0,
            train_seconds=trained - began,
            eval_seconds=now - trained,
            train_examples=0,
            train_tokens=0,
            first_step_at=began if index == 1 else None,
            last_step_at=trained,
        )


class EndListener(TrialEndRecorder):
    """A search's event listener that records when trials end."""

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Record the end of a trial."""
        if isinstance(event, TrialEnded):
            self.record()


def make_controller(trials: NoopSearchSpec, storage: Storage, listeners: Sequence[Any]) -> SearchController:
    """Make a search's controller, without Ray Tune and lanes; continues the search that the storage holds, if any."""
    journal, training = Journal(storage), TrainingConfig()
    sampler = TrialSampler({TASK: 1.0}, SPACE, trials.algorithm, training, SEED, trials.count)
    pruners = TaskPruners([TASK], SchedulerConfig(name=trials.scheduler), max_epochs(training, SPACE), SEED)
    return SearchController(
        journal, sampler, pruners, CheckpointRetention(storage, 1, journal.trials.values()), listeners, trials.lanes
    )


def run_search(trials: NoopSearchSpec, folder: Path, *, track: bool) -> Timeline:
    """Run a search on the connected cluster.

    Args:
        trials: its size and settings.
        folder: an empty one.
        track: whether to record it in MLflow and draw the live table, on a console that writes to the null device.

    Raises:
        RuntimeError: it ended before all trials had.
    """
    storage, ends = Storage(str(folder / "search")), EndListener()
    storage.write("job.yaml", b"")
    barrier = ray.remote(num_cpus=0)(StartBarrier).remote(trials.lanes)
    spec = LaneSpec(
        workers=1,
        cpus=CPUS,
        gpus=0.0,
        placement_strategy="PACK",
        storage=storage,
        max_failures=0,
    )
    pool = LanePool()
    pool.configure(spec, trials.lanes)
    pool.set_workload(NoopTrial(trials, barrier))
    plan = _plan(trials, folder)
    with Path(os.devnull).open("w") as nowhere:
        tracker = Tracker(plan, storage) if track else None
        with LiveTable(plan, Console(file=nowhere, force_terminal=True, width=120)) as live:
            listeners = [tracker, live, ends] if tracker else [ends]
            controller = make_controller(trials, storage, listeners)
            ending = run_trials(controller, pool, SearchConfig(), trials.lanes)
        pool.shutdown()
        if ending is not SearchStatus.COMPLETE or len(ends.ended) != trials.count:
            raise RuntimeError(f"a search of {trials.count} trials must run to its end, but {len(ends.ended)} ended")
        recorded = None
        if tracker is not None:
            tracker.flush(3600.0)
            recorded = time.time()
            tracker.close()
    first = [trial.evaluations[0] for trial in JournalReader(storage).trials.values()]
    started = min(evaluation.time - evaluation.train_seconds - evaluation.eval_seconds for evaluation in first)
    return Timeline(started, ends.ended, recorded, ends.cpu_s)


def past_trials(trials: int) -> Iterator[TrialSpec]:
    """Yield the trials of an earlier session, chosen at random."""
    sampler = TrialSampler({TASK: 1.0}, SPACE, "random", TrainingConfig(), SEED + 1, trials)
    while (spec := sampler.ask()) is not None:
        yield spec


def seed_journal(trials: int, storage: Storage) -> None:
    """Write the journal of a search that has had this many trials."""
    events: list[Event] = []
    for spec in past_trials(trials):
        events += [TrialStarted(time=0.0, **asdict(spec)), *lane_events(spec.number, noop_score(spec.training))]
    Journal(storage).append(*events)


def lane_events(number: int, found: float) -> list[LaneEvent]:
    """Return the events of a trial that took no time: one evaluation and the end."""
    return [
        Evaluated(
            time=0.0,
            number=number,
            index=1,
            step=1,
            total_steps=2,
            epoch=1.0,
            steps_per_epoch=1,
            score=found,
            metrics={METRIC: found},
            eval_loss=1 - found,
            train_loss=1 - found,
            learning_rate=0.0,
        ),
        TrialEnded(time=0.0, number=number, status="finished"),
    ]


def _plan(trials: NoopSearchSpec, folder: Path) -> SearchPlan:
    task = TaskPlan(TASK, "CoLA", "none", 0, 0, {}, METRIC, 0.0, trials.count)
    return SearchPlan(
        name="noop",
        seed=SEED,
        model="none",
        parameters=0,
        space=SPACE.name,
        space_source="",
        fields=tuple(SPACE.space),
        algorithm=trials.algorithm,
        scheduler=trials.scheduler,
        lanes=trials.lanes,
        workers_per_lane=1,
        resources=f"{CPUS} CPU",
        folder=str(folder),
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
        experiment="noop",
        tasks=(task,),
    )


def main(arguments: Sequence[str]) -> None:
    """Run the program: the fields of `NoopSearchSpec` as JSON, the folder, and whether to record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("trials", type=json.loads)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--track", action="store_true")
    flags = parser.parse_args(arguments)
    connect_to_ray(None)
    try:
        times = run_search(NoopSearchSpec(**flags.trials), flags.folder, track=flags.track)
    finally:
        ray.shutdown()
    print(json.dumps(asdict(times)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
