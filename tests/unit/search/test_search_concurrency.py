"""The number of lanes of a search, and the share of a GPU of each."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gluetune.cluster import ClusterSnapshot, Resources
from gluetune.config import JobConfig, LanesConfig, SearchSpace, load_space
from gluetune.errors import ClusterError
from gluetune.search import concurrency
from gluetune.search.concurrency import measure_trial, plan_gpu_sharing, plan_lanes, worst_case_config, worst_case_data
from gluetune.tasks import get_task
from gluetune.training.profiling import ResourceProfile
from training_setup import task_data


def never() -> ResourceProfile:
    raise AssertionError("nothing is to be measured here")


@pytest.mark.parametrize(
    ("asked", "gpus", "per_gpu", "lanes", "share"),
    [
        ("auto", 1, 4, 4, 0.25),
        ("auto", 2, 3, 6, 0.33),
        ("auto", 1, 1, 1, 1.0),
        (4, 1, 4, 4, 0.25),
        (4, 1, 2, 2, 0.5),
        (3, 2, 4, 3, 0.5),
        (8, 1, 1, 1, 1.0),
    ],
)
def test_lanes_share_gpus_as_measured(asked: int, gpus: int, per_gpu: int, lanes: int, share: float) -> None:
    found = plan_gpu_sharing(
        LanesConfig(max_concurrent_trials=asked), gpus, lambda: ResourceProfile(0.9 / per_gpu, 1 / per_gpu)
    )
    assert (found.max_concurrent_trials, found.gpus_per_worker) == (lanes, share)


def test_the_jobs_lanes_are_reduced_only_where_they_do_not_fit() -> None:
    found = plan_gpu_sharing(LanesConfig(max_concurrent_trials=4), 1, lambda: ResourceProfile(memory=0.2, busy=1.0))
    assert (found.max_concurrent_trials, found.gpus_per_worker) == (4, 0.25)


@pytest.mark.parametrize(("asked", "gpus", "lanes"), [("auto", 8, 4), (3, 4, 2), ("auto", 1, 1)])
def test_workers_of_one_trial_never_share_a_gpu(asked: int, gpus: int, lanes: int) -> None:
    found = plan_gpu_sharing(LanesConfig(max_concurrent_trials=asked, workers_per_lane=2), gpus, never)
    assert (found.max_concurrent_trials, found.gpus_per_worker) == (lanes, 1.0)


@pytest.mark.parametrize(
    ("nodes", "lanes", "expected"),
    [
        ([{"CPU": 6.0}], LanesConfig(max_concurrent_trials="auto"), 6),
        ([{"CPU": 6.0}] * 2, LanesConfig(max_concurrent_trials="auto", cpus_per_worker=4.0), 2),
        ([{"CPU": 8.0, "GPU": 2.0}], LanesConfig(max_concurrent_trials="auto", gpus_per_worker=0.5), 4),
        ([{"CPU": 8.0, "GPU": 2.0}], LanesConfig(max_concurrent_trials=2), 2),
        ([{"CPU": 6.0}], LanesConfig(max_concurrent_trials=3), 3),
        ([{"CPU": 6.0}], LanesConfig(max_concurrent_trials=3, cpus_per_worker=3.0), 2),
    ],
)
def test_lanes_that_share_no_gpu_are_counted_not_measured(
    nodes: list[dict[str, float]], lanes: LanesConfig, expected: int
) -> None:
    found = plan_lanes(lanes, ClusterSnapshot.of(*nodes), never).lanes
    assert found == lanes.model_copy(update={"max_concurrent_trials": expected})


def test_lanes_that_share_a_gpu_are_measured() -> None:
    lanes = LanesConfig(max_concurrent_trials=3)
    plan = plan_lanes(lanes, ClusterSnapshot.of({"CPU": 8.0, "GPU": 1.0}), lambda: ResourceProfile(0.3, 0.3))
    assert (plan.lanes.max_concurrent_trials, plan.resources) == (3, Resources(2.0, 0.33))


def test_auto_is_an_error_where_the_size_of_the_cluster_is_unknown() -> None:
    with pytest.raises(ClusterError, match="must be a number where it is unknown which nodes may join"):
        plan_lanes(LanesConfig(max_concurrent_trials="auto"), ClusterSnapshot([], [], growth_unknown=True), never)


def test_started_lanes_end_before_a_trial_is_profiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated GPU, which becomes free after the first wait."""
    happened: list[str] = []
    waits = iter([([], [None]), ([None], [])])
    task = SimpleNamespace(remote=lambda *_: None)
    monkeypatch.setattr(
        concurrency,
        "ray",
        SimpleNamespace(
            remote=lambda **_: lambda function: task,
            get=lambda _: ResourceProfile(memory=0.2, busy=1.0),
            wait=lambda *_, **__: happened.append("wait") or next(waits),
        ),
    )
    prepared: Any = SimpleNamespace(
        encoders={"": SimpleNamespace(data={"cola": task_data(get_task("cola"))}, encoder=None)}
    )
    measure_trial(JobConfig(), load_space("compact_bert", None), prepared, lambda: happened.append("end"))
    assert happened == ["end", "wait", "end", "wait"]


def test_lanes_are_planned_for_the_encoder_that_needs_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated GPU: the first encoder needs more memory, the second one computes longer."""
    profiles = iter([ResourceProfile(memory=0.4, busy=0.1), ResourceProfile(memory=0.1, busy=0.5)])
    simulated = SimpleNamespace(
        remote=lambda **_: lambda function: SimpleNamespace(remote=lambda *_: None),
        get=lambda _: next(profiles),
        wait=lambda *_, **__: ([None], []),
    )
    monkeypatch.setattr(concurrency, "ray", simulated)
    each = SimpleNamespace(data={"cola": task_data(get_task("cola"))}, encoder=None)
    prepared: Any = SimpleNamespace(encoders={"a": each, "b": each})
    space = SearchSpace.model_validate({"space": {"model": ["a", "b"], "batch_size": [8, 16]}})
    assert measure_trial(JobConfig(), space, prepared, lambda: None) == ResourceProfile(memory=0.4, busy=0.5)


def test_memory_is_measured_with_the_largest_batches_of_the_space() -> None:
    space = load_space("bert_recommended", None)
    training, usual = worst_case_config(JobConfig(), space)
    assert training.batch_size == 32
    assert usual == 23


def test_memory_is_measured_with_the_longest_rows_and_the_most_token_embeddings() -> None:
    long, varied = task_data(get_task("rte")), task_data(get_task("cola"))
    short = varied.train.select(np.flatnonzero(varied.train.lengths < 10))
    few = replace(long.train, input_ids=np.minimum(long.train.input_ids, 9))
    tasks = {"cola": replace(varied, train=short), "rte": replace(long, train=few, selection=few)}
    rows, used = worst_case_data(tasks)
    assert rows is tasks["rte"]
    assert set(used) == set(tasks["cola"].vocabulary) | set(tasks["rte"].vocabulary)
    assert len(tasks["rte"].vocabulary) < len(used)
