"""The winners of a search: each is saved for ``from_pretrained``, loaded again, and scored once on official rows."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

import ray

from gluetune.errors import ClusterError
from gluetune.events import LaneEvent, TrialEnded, TrialRecord, WinnerEvaluated, trial_folder
from gluetune.lanes import LaneError, LanePool, Lease, TrialAssignment, describe_deaths, resolve_event, root_cause
from gluetune.storage import Storage
from gluetune.training import Checkpoints, DistributedContext
from gluetune.workloads.winner_scoring import WinnerScoring

MakeScoring = Callable[[TrialRecord], WinnerScoring]
LOCAL_SCORING_MAX_ROWS = 20_000  # official rows; with more, new processes pay off

_Outcomes = Iterator[tuple[TrialRecord, WinnerEvaluated | str]]


def score_winners(
    pool: LanePool,
    lanes: int,
    storage: Storage,
    scoring: MakeScoring,
    trials: Iterable[TrialRecord],
    *,
    local: bool,
) -> Iterator[WinnerEvaluated]:
    """Save and score winners, and yield their events as they come.

    Lanes score them. Where no lane runs, as in a resumed search that has nothing left to train, a few rows on a single
    CPU node are scored in this process.

    Args:
        pool: the search's lanes.
        lanes: number of lanes to use at the same time.
        storage: the search's folder.
        scoring: makes the workload that scores a winner.
        trials: the winners.
        local: whether this process may score them: there are few rows, and no winner is trained again.

    Raises:
        ClusterError: some winners could not be scored; raised after the events of all others.
    """
    trials = list(trials)
    local = local and not len(pool) and is_single_cpu_node(pool)
    outcomes = score_locally(storage, scoring, trials) if local else score_on_lanes(pool, lanes, scoring, trials)
    failed = []
    for trial, outcome in outcomes:
        if isinstance(outcome, WinnerEvaluated):
            yield outcome
        else:
            failed.append(f"the winner {trial.name} could not be scored: {outcome}")
    if failed:
        raise ClusterError("\n".join(failed))


def needs_selection_scores(trial: TrialRecord) -> bool:
    """Return whether a winner's evaluations were not computed in fp32, the precision in which it is saved and used.

    The selection rows are then scored again, so that their scores and those of the development rows can be compared.
    """
    return trial.best is None or trial.best.precision != "fp32"


def is_single_cpu_node(pool: LanePool) -> bool:
    """Return whether the cluster is this process's node alone, without GPUs and with the cores that a worker needs.

    This process has then imported everything that a new one would have to import.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) != 1 or nodes[0]["NodeID"] != ray.get_runtime_context().get_node_id():
        return False
    cpus = 0.0 if pool.spec is None else pool.spec.cpus
    return not nodes[0]["Resources"].get("GPU") and nodes[0]["Resources"].get("CPU", 0) >= cpus


def score_locally(storage: Storage, scoring: MakeScoring, trials: list[TrialRecord]) -> _Outcomes:
    """Save and score winners one after another in this process; yield each trial with its event or its error."""
    for trial in trials:
        checkpoints = Checkpoints(storage, trial_folder(trial))
        try:
            yield trial, scoring(trial).evaluate(TrialAssignment.from_record(trial), checkpoints, DistributedContext())
        except Exception as error:  # reported like the error of a lane
            yield trial, root_cause(error)


def score_on_lanes(pool: LanePool, lanes: int, scoring: MakeScoring, trials: list[TrialRecord]) -> _Outcomes:
    """Save and score winners on lanes; yield each trial with its event or its error, as they end."""
    waiting, running = deque(trials), dict[object, tuple[TrialRecord, Lease]]()
    deaths = defaultdict[int, list[str]](list)
    try:
        while waiting or running:
            while waiting and len(running) < lanes:
                trial = waiting.popleft()
                lease = pool.lease(TrialAssignment.from_record(trial, ray.put(scoring(trial))))
                running[lease.request_event()] = trial, lease
            (done,), _ = ray.wait(list(running), num_returns=1)
            trial, lease = running.pop(done)
            try:
                yield trial, _outcome(resolve_event(done))
            except LaneError as error:
                deaths[trial.number].append(pool.death_reason(lease) or str(error))
                if len(deaths[trial.number]) <= pool.max_failures:
                    waiting.append(trial)
                else:
                    yield trial, describe_deaths("its lane", deaths[trial.number])
            finally:
                pool.release(lease)
    finally:
        for _, lease in running.values():
            pool.release(lease)


def _outcome(event: LaneEvent | None) -> WinnerEvaluated | str:
    if isinstance(event, WinnerEvaluated):
        return event
    return event.message if isinstance(event, TrialEnded) else "its lane was closed"
