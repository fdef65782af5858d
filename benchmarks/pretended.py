"""Searches whose trials train nothing: they sleep, or not even that. What is left is what gluetune itself costs.

Cluster, Tune, lanes, conductor, journal, MLflow record and live table are the real ones. As a program it runs one such
search on a cluster of its own and prints, as JSON, when its trials ended.
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

from benchmarks.ends import Ends
from gluetune.cluster import connect
from gluetune.config import Algorithm, SchedulerConfig, SearchConfig, SearchSpace, TrainingConfig
from gluetune.config.job import SchedulerName
from gluetune.events import (
    Evaluated,
    Event,
    Journal,
    LaneEvent,
    SearchPlan,
    TaskPlan,
    TrialEnded,
    TrialRecord,
    TrialStarted,
)
from gluetune.lanes import LaneSpec, TrialAssignment, TrialContext
from gluetune.reporting import LiveTable
from gluetune.search.controller import SearchController
from gluetune.search.retention import CheckpointRetention
from gluetune.search.schedulers import TaskPruners, max_epochs
from gluetune.search.searchers import TrialSampler, TrialSpec
from gluetune.search.trials import SearchStatus, run_trials
from gluetune.storage import Storage
from gluetune.tracking import Tracker
from gluetune.training import Checkpoints, DistributedContext, Evaluation

TASK, METRIC, SEED, CPUS = "cola", "matthews_correlation", 1, 0.01
SPACE = SearchSpace.model_validate(
    {
        "name": "pretended",
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
class Trials:
    """What is searched.

    Attributes:
        count: trials.
        lanes: at the same time.
        algorithm: what chooses them.
        scheduler: what ends them early.
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
class Times:
    """When things happened, in seconds since the epoch.

    Attributes:
        started: when the first trial began its first step; all lanes were there by then.
        ended: when each trial ended, in that order.
        recorded: when MLflow had the last of it; ``None`` where nothing went to MLflow.
        cpu_s: seconds of CPU that the driver took, all its threads together, between the first trial's end and the
            last one's.
    """

    started: float
    ended: Sequence[float]
    recorded: float | None
    cpu_s: float = 0.0


def score(training: Mapping[str, Any]) -> float:
    """A score that a search can climb."""
    return math.exp(-abs(math.log10(training["learning_rate"]) + 4) - training["warmup_ratio"])


class Gate:
    """Lets lanes through once all are there, so that none trains while others still start. An async Ray actor."""

    def __init__(self, lanes: int) -> None:
        self._missing, self._open = lanes, asyncio.Event()

    async def arrive(self) -> None:
        """Waits for the others."""
        self._missing -= 1
        if self._missing <= 0:
            self._open.set()
        await self._open.wait()


class Pretending:
    """A lane's work: sleeps through steps and evaluations.

    Args:
        trials: how long.
        gate: a `Gate` actor.
    """

    def __init__(self, trials: Trials, gate: Any) -> None:
        self._trials, self._gate, self._arrived = trials, gate, False

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """One trial."""
        if not self._arrived:
            ray.get(self._gate.arrive.remote())
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
        found, now = score(assignment.training), time.monotonic()
        return Evaluation(
            index=index,
            step=index * max(1, self._trials.steps),
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


class Clock(Ends):
    """Hears when trials end."""

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Takes an event in."""
        if isinstance(event, TrialEnded):
            self.note()


def conductor(trials: Trials, storage: Storage, listeners: Sequence[Any]) -> SearchController:
    """Everything of a search but Tune and lanes; goes on with what the storage holds already."""
    journal, training = Journal(storage), TrainingConfig()
    dealer = TrialSampler({TASK: 1.0}, SPACE, trials.algorithm, training, SEED, trials.count)
    pruners = TaskPruners([TASK], SchedulerConfig(name=trials.scheduler), max_epochs(training, SPACE), SEED)
    return SearchController(
        journal, dealer, pruners, CheckpointRetention(storage, 1, journal.trials.values()), listeners, trials.lanes
    )


def search(trials: Trials, folder: Path, *, track: bool) -> Times:
    """Runs a search on the connected cluster.

    Args:
        trials: what it consists of.
        folder: an empty one.
        track: whether to record it in MLflow and show it on a terminal that nobody sees.

    Raises:
        RuntimeError: it did not come to its end.
    """
    storage, clock = Storage(str(folder / "search")), Clock()
    storage.write("job.yaml", b"")
    gate = ray.remote(num_cpus=0)(Gate).remote(trials.lanes)
    spec = LaneSpec(
        workers=1,
        cpus=CPUS,
        gpus=0.0,
        placement_strategy="PACK",
        workload=Pretending(trials, gate),
        storage=storage,
        max_failures=0,
    )
    plan = _plan(trials, folder)
    with Path(os.devnull).open("w") as nowhere:
        tracker = Tracker(plan, storage) if track else None
        with LiveTable(plan, Console(file=nowhere, force_terminal=True, width=120)) as live:
            listeners = [tracker, live, clock] if tracker else [clock]
            conducted = conductor(trials, storage, listeners)
            ending = run_trials(conducted, spec, SearchConfig(), trials.lanes)
        if ending is not SearchStatus.COMPLETE or len(clock.ended) != trials.count:
            raise RuntimeError(f"a search of {trials.count} trials must come to its end, but {len(clock.ended)} ended")
        recorded = None
        if tracker is not None:
            tracker.flush(3600.0)
            recorded = time.time()
            tracker.close()
    first = [trial.evaluations[0] for trial in Journal(storage).trials.values()]
    started = min(evaluation.time - evaluation.train_seconds - evaluation.eval_seconds for evaluation in first)
    return Times(started, clock.ended, recorded, clock.cpu_s)


def history(trials: int) -> Iterator[TrialSpec]:
    """Trials of an earlier session, chosen at random."""
    dealer = TrialSampler({TASK: 1.0}, SPACE, "random", TrainingConfig(), SEED + 1, trials)
    while (deal := dealer.deal()) is not None:
        yield deal


def grow(trials: int, storage: Storage) -> None:
    """Writes the journal of a search that has had so many trials."""
    events: list[Event] = []
    for deal in history(trials):
        events += [TrialStarted(time=0.0, **asdict(deal)), *lane_events(deal.number, score(deal.training))]
    storage.write("journal/000000.jsonl", b"".join(event.model_dump_json().encode() + b"\n" for event in events))


def lane_events(number: int, found: float) -> list[LaneEvent]:
    """What a lane tells of a trial that took no time: one evaluation and the end."""
    return [
        Evaluated(
            time=0.0,
            number=number,
            index=1,
            step=1,
            epoch=1.0,
            score=found,
            metrics={METRIC: found},
            eval_loss=1 - found,
            train_loss=1 - found,
            learning_rate=0.0,
        ),
        TrialEnded(time=0.0, number=number, status="finished"),
    ]


def _plan(trials: Trials, folder: Path) -> SearchPlan:
    task = TaskPlan(TASK, "CoLA", "none", 0, 0, {}, METRIC, 0.0, trials.count)
    return SearchPlan(
        name="pretended",
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
        experiment="pretended",
        tasks=(task,),
    )


def main(arguments: Sequence[str]) -> None:
    """The program: the fields of `Trials` as JSON, the folder, and whether to record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("trials", type=json.loads)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--track", action="store_true")
    flags = parser.parse_args(arguments)
    connect(None)
    try:
        times = search(Trials(**flags.trials), flags.folder, track=flags.track)
    finally:
        ray.shutdown()
    print(json.dumps(asdict(times)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
