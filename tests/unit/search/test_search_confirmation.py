"""The runs of a confirmation: which seeds they have, and in which order they are trained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from confirmed_search import RATES, SKILLS, SPACE, search_events
from gluetune.api.search_endings import shows_ending
from gluetune.api.search_setup import fitted_job
from gluetune.config import ConfirmConfig, JobConfig, LanesConfig
from gluetune.events import ConfirmedConfiguration, TrialRecord, replay_events, seed_folder
from gluetune.lanes import LanePool
from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.search.confirmation import Confirmation, SeedRun, fresh_seeds, open_confirmation, plan_confirmation
from gluetune.search.trials import SearchStatus
from gluetune.storage import Storage

TRIALS = list(replay_events(search_events()).values())
JOB = JobConfig(tasks=dict.fromkeys(SKILLS, 1.0), seed=7)


def configuration(task: str = "cola", rate: float = 1e-4) -> ConfirmedConfiguration:
    return ConfirmedConfiguration(task, {"learning_rate": rate}, {"learning_rate": rate, "seed": None}, 0, 1)


def planned(top: int, seeds: int, job: JobConfig = JOB) -> list[SeedRun]:
    return plan_confirmation(job, ConfirmConfig(top=top, seeds=seeds), SPACE, TRIALS)


def test_seeds_depend_on_job_task_and_configuration_alone() -> None:
    seeds = fresh_seeds(7, configuration(), 5, ())
    assert seeds == fresh_seeds(7, configuration(), 5, ())
    others = [
        fresh_seeds(8, configuration(), 5, ()),
        fresh_seeds(7, configuration("rte"), 5, ()),
        fresh_seeds(7, configuration(rate=3e-4), 5, ()),
    ]
    assert all(not set(seeds) & set(other) for other in others)


def test_more_seeds_contain_the_fewer() -> None:
    assert fresh_seeds(7, configuration(), 9, ())[:5] == fresh_seeds(7, configuration(), 5, ())


def test_no_seed_of_the_search_is_used_again() -> None:
    first, second, *_ = fresh_seeds(7, configuration(), 3, ())
    assert fresh_seeds(7, configuration(), 2, {first})[0] == second
    assert not {trial.seed for trial in TRIALS} & {run.seed for run in planned(3, 5)}


def test_each_configuration_has_as_many_seeds_also_where_the_confirmation_is_cut_short() -> None:
    runs = planned(top=1, seeds=4)
    assert Counter((run.configuration.task, run.configuration.rank) for run in runs) == {
        (task, rank): 4 for task in SKILLS for rank in (1, 3)
    }
    half = Counter((run.configuration.task, run.configuration.rank) for run in runs[: len(runs) // 2])
    assert set(half.values()) == {2}


@pytest.mark.parametrize(
    ("ending", "earlier", "complete", "shown"),
    [
        ("interrupted", None, False, True),
        ("interrupted", "complete", False, True),
        ("interrupted", "interrupted", False, True),
        ("interrupted", "interrupted", True, False),
        ("out_of_time", "out_of_time", True, False),
    ],
)
def test_the_command_that_continues_is_shown_where_a_confirmation_is_not_complete(
    ending: str, earlier: str | None, complete: bool, shown: bool
) -> None:
    found = ConfirmationSummary(top=1, seeds=1, complete=complete, seconds=0.0, default="", tasks=[], sentences=[])
    before = None if earlier is None else SearchStatus(earlier)
    assert shows_ending(SearchStatus(ending), before, found) == shown


def test_a_complete_confirmation_leaves_no_checkpoints_of_runs_that_are_not_among_the_best_any_more(
    tmp_path: Path,
) -> None:
    storage = Storage(str(tmp_path))
    stopped = TrialRecord(3, "cola", {}, {}, 1, 0.0)
    storage.write(f"{seed_folder(stopped)}/state.pt", b"state")
    confirmation = Confirmation(open_confirmation(storage), LanePool(), 1, storage, None)
    assert confirmation.run([]) is SearchStatus.COMPLETE
    assert not storage.exists(seed_folder(stopped))


def test_a_session_without_official_scores_confirms_nothing() -> None:
    job = JOB.model_copy(update={"confirm": ConfirmConfig(top=1, seeds=2)})
    lanes = LanesConfig(max_concurrent_trials=2)
    assert fitted_job(job, lanes, score=False) == job.model_copy(update={"confirm": None, "lanes": lanes})
    assert fitted_job(job, lanes, score=True) == job.model_copy(update={"lanes": lanes})


def test_a_larger_confirmation_trains_the_runs_of_a_smaller_one_again() -> None:
    small, large = ({run.identity for run in planned(top, seeds)} for top, seeds in ((1, 2), (2, 4)))
    assert small < large
    assert len(RATES) * len(SKILLS) * 4 == len(large)
