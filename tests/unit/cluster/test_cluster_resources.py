"""How many lanes a cluster can hold, by the nodes it has or may get."""

from __future__ import annotations

import pytest

from gluetune.cluster import (
    ClusterSnapshot,
    Resources,
    max_lanes,
    prestarted_lane_count,
    resolve_worker_resources,
    trainable_resources,
)
from gluetune.cluster.resources import launchable
from gluetune.config import LanesConfig
from gluetune.errors import ClusterError

HEAD, GPU_BOX = {"CPU": 0.0, "driver": 1.0}, {"CPU": 8.0, "GPU": 2.0}
GPU_BOXES = ClusterSnapshot.of(HEAD, GPU_BOX, GPU_BOX, GPU_BOX)


@pytest.mark.parametrize(
    ("strategy", "workers", "lanes"),
    [
        ("PACK", 1, 6),
        ("PACK", 4, 1),
        ("SPREAD", 2, 3),
        ("STRICT_PACK", 2, 3),
        ("STRICT_PACK", 3, 0),
        ("STRICT_SPREAD", 2, 3),
        ("STRICT_SPREAD", 3, 2),
        ("STRICT_SPREAD", 4, 0),
    ],
)
def test_lanes_that_fit_at_the_same_time(strategy: str, workers: int, lanes: int) -> None:
    wanted = LanesConfig(
        max_concurrent_trials=10,
        workers_per_lane=workers,
        cpus_per_worker=1.0,
        gpus_per_worker=1.0,
        placement_strategy=strategy,  # type: ignore[arg-type]
    )
    if lanes:
        assert max_lanes(wanted, resolve_worker_resources(wanted, GPU_BOXES), GPU_BOXES) == lanes
    else:
        with pytest.raises(ClusterError, match=r"do not fit on 4 node\(s\) with 24 CPU and 6 GPU"):
            resolve_worker_resources(wanted, GPU_BOXES)


def test_no_more_lanes_than_asked_for() -> None:
    assert max_lanes(LanesConfig(max_concurrent_trials=2), Resources(1.0, 0.0), GPU_BOXES) == 2


def test_trials_are_followed_from_where_the_cluster_keeps_drivers() -> None:
    assert trainable_resources(GPU_BOXES) == {"driver": 0.001}
    assert trainable_resources(ClusterSnapshot.of(GPU_BOX)) == {"memory": 1}


def test_auto_gives_a_worker_no_more_than_a_node_has() -> None:
    assert resolve_worker_resources(LanesConfig(max_concurrent_trials=2), GPU_BOXES) == Resources(8.0, 1.0)


LAUNCHER = {
    "max_workers": 8,
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {"CPU": 0, "driver": 1}, "max_workers": 0},
        "small": {"resources": {"CPU": 2}, "max_workers": 3},
        "spot": {"resources": {"CPU": 4, "GPU": 1}, "max_workers": 7},
        "unsaid": {"resources": {}, "max_workers": 2},
    },
}


def test_an_autoscaler_adds_the_largest_nodes_that_its_limits_allow() -> None:
    assert launchable(LAUNCHER) == {"spot": ({"CPU": 4, "GPU": 1}, 7), "small": ({"CPU": 2}, 1)}
    assert launchable({"available_node_types": None}) == {}


def test_without_autoscaler_limits_lanes_get_what_they_ask_for() -> None:
    cluster = ClusterSnapshot([(HEAD, 1)], [(HEAD, 1)], growth_unknown=True)
    lanes = LanesConfig(max_concurrent_trials=5, cpus_per_worker=4.0, gpus_per_worker=1.0)
    assert resolve_worker_resources(lanes, cluster) == Resources(4.0, 1.0)
    assert max_lanes(lanes, Resources(4.0, 1.0), cluster) == 5
    with pytest.raises(ClusterError, match=r"must be numbers .* \(cpus_per_worker=auto, gpus_per_worker=1\.0\)"):
        resolve_worker_resources(LanesConfig(gpus_per_worker=1.0), cluster)


@pytest.mark.parametrize(
    ("nodes", "wanted", "count"),
    [
        ([{"CPU": 2.0}], {"max_concurrent_trials": 2}, 1),  # one core for the lane, one for the driver
        ([{"CPU": 1.0}], {"max_concurrent_trials": 1}, 0),
        ([{"CPU": 8.0}], {"max_concurrent_trials": 4}, 4),
        ([{"CPU": 8.0}], {"max_concurrent_trials": 4, "workers_per_lane": 2}, 3),
        ([{"CPU": 64.0}], {"max_concurrent_trials": 64}, 16),
        ([{"CPU": 8.0}], {"max_concurrent_trials": "auto"}, 0),  # how many is yet to be measured
        ([{"CPU": 8.0, "GPU": 1.0}], {"max_concurrent_trials": 2}, 0),  # and so is the GPU's share
        ([{"CPU": 8.0, "GPU": 2.0}], {"max_concurrent_trials": 2}, 2),
        ([{"CPU": 8.0, "GPU": 1.0}], {"max_concurrent_trials": 2, "gpus_per_worker": 0.5}, 2),
    ],
)
def test_as_many_lanes_start_before_the_search_as_there_are_cores_for_them(
    nodes: list[dict[str, float]], wanted: dict[str, object], count: int
) -> None:
    assert prestarted_lane_count(LanesConfig.model_validate(wanted), ClusterSnapshot.of(*nodes)) == count
