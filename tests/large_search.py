"""A generated search of many trials on two tasks, with pruned and failed ones, as its folder records it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gluetune.config import JobConfig, SchedulerConfig, SearchConfig, SearchSpace, TrainingConfig, dump_job, dump_space
from gluetune.events import SCHEMA_VERSION, EndStatus, Evaluated, Event, JournalReader, TrialEnded, TrialStarted
from gluetune.reporting import summarise, write_summary
from gluetune.storage import Storage
from sample_search import COLA, plan

BEGIN = 1_700_000_000.0
SPACE = SearchSpace.model_validate(
    {
        "name": "wide",
        "source": "generated",
        "space": {
            "learning_rate": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True},
            "batch_size": [8, 16, 32, 64],
            "weight_decay": {"type": "float", "low": 0.0, "high": 0.3},
            "warmup_steps": {"type": "int", "low": 0, "high": 500},
            "lr_scheduler_type": ["linear", "cosine", "constant"],
        },
    }
)
TASKS = {"cola": "matthews_correlation", "mrpc": "accuracy_and_f1"}
LANES = 4
MRPC = replace(COLA, task="mrpc", title="MRPC", metric="accuracy_and_f1", baseline=0.7)
EPOCHS = 4


def large_events(trials: int, seed: int = 0) -> Iterator[Event]:
    """Yield the events of a search whose score depends on the learning rate most, then on the batch size.

    Trials that are below the middle after their first epoch are pruned then; every fiftieth diverges.
    """
    rng = np.random.default_rng(seed)
    free = [BEGIN] * LANES
    for number in range(trials):
        lane = int(np.argmin(free))
        start = free[lane]
        params = _params(rng)
        task = list(TASKS)[number % len(TASKS)]
        training = TrainingConfig(**params, num_train_epochs=EPOCHS).model_dump()
        yield TrialStarted(time=start, number=number, task=task, params=params, training=training, seed=42)
        peak = (
            0.6 - 0.08 * (math.log10(params["learning_rate"]) + 4.5) ** 2 - 0.02 * math.log2(params["batch_size"] / 8)
        )
        ended: EndStatus = "finished"
        now = start
        for index in range(1, EPOCHS + 1):
            now += 30.0 + 10.0 * rng.random()
            score = peak * (1 - 0.5**index) + 0.02 * rng.standard_normal()
            diverged = number % 50 == 49
            yield _evaluated(number, index, math.nan if diverged else score, now, lane, TASKS[task])
            if diverged or (index == 1 and score < 0.22):
                ended = "diverged" if diverged else "pruned"
                break
        message = "loss is not a finite number" if ended == "diverged" else ""
        yield TrialEnded(time=now, number=number, status=ended, message=message)
        free[lane] = now + 2.0 * rng.random()


def _params(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "learning_rate": float(10 ** rng.uniform(-6, -3)),
        "batch_size": int(rng.choice([8, 16, 32, 64])),
        "weight_decay": float(rng.uniform(0, 0.3)),
        "warmup_steps": int(rng.integers(0, 501)),
        "lr_scheduler_type": str(rng.choice(["linear", "cosine", "constant"])),
    }


def _evaluated(number: int, index: int, score: float, time: float, lane: int, metric: str) -> Evaluated:
    return Evaluated(
        time=time,
        number=number,
        index=index,
        step=50 * index,
        total_steps=50 * EPOCHS,
        steps_per_epoch=50,
        epoch=float(index),
        score=score,
        metrics={metric: score},
        eval_loss=1.0 - score,
        eval_examples=200,
        train_loss=1.1 - score,
        learning_rate=1e-4,
        train_seconds=28.0,
        eval_seconds=2.0,
        lane=f"lane-{lane}",
    )


def write_large_search(root: Path | str, name: str, trials: int, seed: int = 0) -> Storage:
    """Write the folder of such a search; its journal in one piece.

    Args:
        root: the folder of all runs.
        name: the run's name.
        trials: number of trials.
        seed: of the draws.
    """
    folder = Storage(f"{root}/{name}")
    job = JobConfig(
        name=name,
        tasks=dict.fromkeys(TASKS, 1.0),
        search=SearchConfig(
            algorithm="random", scheduler=SchedulerConfig(name="asha"), num_samples=trials // len(TASKS)
        ),
    )
    folder.write("job.yaml", dump_job(job).encode())
    folder.write("space.yaml", dump_space(SPACE).encode())
    lines = [f'{{"schema_version":{SCHEMA_VERSION}}}', *(each.model_dump_json() for each in large_events(trials, seed))]
    folder.write("journal/000000.jsonl", ("\n".join(lines) + "\n").encode())
    known = JournalReader(folder)
    whole = plan(
        name=name,
        folder=folder.uri(),
        space=SPACE.name,
        space_source="",
        fields=SPACE.fields,
        algorithm="random",
        lanes=LANES,
        tasks=(COLA, MRPC),
    )
    ended = known.events[-1].time
    made = summarise(whole, known.trials.values(), status="complete", session_started=BEGIN, now=ended)
    write_summary(folder, made)
    return folder
