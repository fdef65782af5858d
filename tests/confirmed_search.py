"""A search and its confirmation made by hand: simulated models on RTE and CoLA, three configurations, three seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gluetune.config import ConfirmConfig, JobConfig, SearchSpace, TrainingConfig
from gluetune.events import (
    Evaluated,
    Event,
    Journal,
    RowOutputs,
    SeedScored,
    TaskPlan,
    TrialEnded,
    TrialStarted,
    outputs_file,
    save_outputs,
)
from gluetune.reporting import ConfirmedSearch
from gluetune.storage import Storage
from gluetune.tasks import TASKS
from gluetune.tasks.metrics import compute_metrics
from sample_search import BEGIN, ended, evaluated
from simulated_outputs import decisions

RATES = (3e-4, 1e-4, 3e-5)  # the default is the last one
SPACE = SearchSpace.model_validate(
    {"name": "rates", "space": {"learning_rate": list(RATES)}, "points": [{"learning_rate": RATES[2]}]}
)
ROWS, SEEDS = 400, 3
SKILLS = {"rte": (1.6, 1.5, 0.2), "cola": (1.0, 0.9, 0.95)}  # by configuration, the best of the search first


def task_plan(task: str, **changes: Any) -> TaskPlan:
    fields: dict[str, Any] = {
        "task": task,
        "title": TASKS[task].title,
        "source": "simulated",
        "train_rows": 1000,
        "selection_rows": 200,
        "dev_rows": {"validation": ROWS},
        "metric": TASKS[task].primary,
        "baseline": 0.0,
        "planned": 3,
        "fingerprints": {"train": "aa", "selection": "bb", "validation": "cc"},
    }
    return TaskPlan(**(fields | changes))


def start(number: int, task: str, rate: float, seed: int, confirms: int | None = None) -> TrialStarted:
    return TrialStarted(
        time=BEGIN + number,
        number=number,
        task=task,
        params={"learning_rate": rate},
        training=TrainingConfig(learning_rate=rate).model_dump(),
        seed=seed,
        confirms=confirms,
    )


def search_events() -> list[Event]:
    """One trial for each configuration of both tasks, with the scores 0.9, 0.8 and 0.7 in the search."""
    found: list[Event] = []
    for place, task in enumerate(SKILLS):
        for rank, rate in enumerate(RATES):
            number = 3 * place + rank
            score = 0.9 - 0.1 * rank
            found += [start(number, task, rate, seed=7), score_of(number, task, score), ended(number)]
    return found


def score_of(number: int, task: str, score: float) -> Evaluated:
    return evaluated(number, 1, score, TASKS[task].primary, total_steps=50)


def make_confirmation(folder: Path, failed: tuple[int, ...] = ()) -> ConfirmedSearch:
    """Write the outputs of all seeds, and return the search with its confirmation.

    Args:
        folder: the confirmation's folder.
        failed: numbers of the confirmation's trials that diverge.
    """
    rng, storage = np.random.default_rng(0), Storage(str(folder))
    journal, search = Journal(storage), Journal(storage.sub("search"))
    for event in search_events():
        search.append(event)
    number = 0
    for place, (task, skills) in enumerate(SKILLS.items()):
        difficulty = rng.standard_normal(ROWS)
        for rank, (rate, skill) in enumerate(zip(RATES, skills, strict=True)):
            outputs = decisions(rng, ROWS, SEEDS, skill, difficulty)
            for seed in range(SEEDS):
                journal.append(start(number, task, rate, 1000 + number, confirms=3 * place + rank))
                if number in failed:
                    journal.append(ended(number, "diverged", "loss is not a finite number"))
                else:
                    journal.append(score_of(number, task, 0.6 + 0.01 * seed))
                    scored = RowOutputs(outputs.logits[seed], outputs.labels)
                    append_scores(journal, storage, task, number, scored)
                number += 1
    job = JobConfig(tasks=dict.fromkeys(SKILLS, 1.0), confirm=ConfirmConfig(top=2, seeds=SEEDS))
    return ConfirmedSearch(
        job,
        SPACE,
        [task_plan(task) for task in SKILLS],
        {task: TASKS[task] for task in SKILLS},
        search.trials.values(),
        journal.trials.values(),
        storage,
    )


def append_scores(journal: Journal, storage: Storage, task: str, number: int, outputs: RowOutputs) -> None:
    file, metrics = outputs_file(task, number), compute_metrics(TASKS[task], outputs.logits, outputs.labels)
    save_outputs(storage, file, {"selection": outputs, "validation": outputs})
    scores = {"validation": metrics}
    at = BEGIN + number + 30
    journal.append(
        SeedScored(time=at, number=number, scores=scores, rows={}, selection_scores=metrics, outputs=file),
        TrialEnded(time=at, number=number, status="finished"),
    )
