"""The nodes that a cluster has or may get, what one worker takes of them, and how many lanes they hold.

All decisions are made from a `ClusterSnapshot`, so that those of one plan agree while nodes come and go.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from gluetune.config import LanesConfig
from gluetune.config.yaml_files import read_yaml
from gluetune.errors import ClusterError

Nodes = list[tuple[dict[str, float], int]]
"""Resources of a kind of node, and how many nodes of that kind there can be."""

BOOTSTRAP_CONFIG = "~/ray_bootstrap_config.yaml"  # Ray's cluster launcher leaves its configuration there on the head
NODE_TYPE = "ray.io/node-group"  # label of nodes that an autoscaler made
DRIVER, DRIVER_SHARE = "driver", 0.001  # custom resource of nodes that stay, and what one Trainable takes of it
MAX_PRESTARTED_LANES = 16  # hardly more lanes finish their imports before their search is loaded


@dataclass(frozen=True)
class Resources:
    """What one worker of a lane takes.

    Attributes:
        cpus: CPU cores, whole or in hundredths.
        gpus: GPUs, whole or in hundredths.
    """

    cpus: float
    gpus: float

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{gpus}"


@dataclass(frozen=True)
class ClusterSnapshot:
    """The nodes of a cluster at one time.

    Attributes:
        current: nodes that are part of the cluster.
        potential: those that stay, and those that the autoscaler's configuration allows it to add.
        growth_unknown: whether nodes of unknown number and size may be added: on Kubernetes, KubeRay's operator keeps
            the limits.
    """

    current: Nodes
    potential: Nodes
    growth_unknown: bool = False

    @classmethod
    def of(cls, *nodes: dict[str, float]) -> ClusterSnapshot:
        """Return the snapshot of a cluster that does not grow.

        Args:
            nodes: the resources of each node.
        """
        present = [(node, 1) for node in nodes]
        return cls(present, present)


def take_snapshot() -> ClusterSnapshot:
    """Take a snapshot of the connected cluster.

    Ray's API does not say what an autoscaler may add. Drivers run on the head node, where the configuration file is.
    """
    types = _launchable()
    alive = [node for node in ray.nodes() if node["Alive"]]
    stay = [(node["Resources"], 1) for node in alive if node["Labels"].get(NODE_TYPE) not in types]
    unknown = os.environ.get("RAY_USAGE_STATS_KUBERAY_IN_USE") == "1" and not types
    return ClusterSnapshot([(node["Resources"], 1) for node in alive], stay + list(types.values()), unknown)


def total(nodes: Nodes, kind: str) -> float:
    """Return the sum of a resource over all nodes.

    Args:
        nodes: the nodes.
        kind: the resource, such as ``CPU``.
    """
    return sum(count * node.get(kind, 0.0) for node, count in nodes)


def launchable(config: dict[str, Any]) -> dict[str, tuple[dict[str, float], int]]:
    """Kinds of nodes in a configuration of Ray's cluster launcher, in all at most its ``max_workers``.

    Args:
        config: the content of the launcher's YAML file.

    Returns:
        Resources and number of nodes by kind, largest nodes first; without the head.
    """
    left = int(config.get("max_workers") or 0)
    kinds = {
        name: kind
        for name, kind in (config.get("available_node_types") or {}).items()
        if name != config.get("head_node_type") and kind.get("resources")
    }
    found = {}
    for name, kind in sorted(kinds.items(), key=lambda item: _size(item[1]["resources"]), reverse=True):
        count = min(int(kind.get("max_workers", left)), left)
        left -= count
        if count:
            found[name] = (dict(kind["resources"]), count)
    return found


def resolve_worker_resources(lanes: LanesConfig, cluster: ClusterSnapshot) -> Resources:
    """Return what each worker takes; ``auto`` divides all that the cluster has or that its autoscaler may add.

    Raises:
        ClusterError: the cluster can never hold one lane.
    """
    nodes, unknown = cluster.potential, cluster.growth_unknown
    if unknown and "auto" in (lanes.cpus_per_worker, lanes.gpus_per_worker) and not total(nodes, "CPU"):
        raise ClusterError(
            "lanes.cpus_per_worker and lanes.gpus_per_worker must be numbers where no node has joined yet and the "
            "size of those that may come is unknown (KubeRay), but got (cpus_per_worker="
            f"{lanes.cpus_per_worker}, gpus_per_worker={lanes.gpus_per_worker})"
        )
    workers = lanes.lanes * lanes.workers_per_lane
    cpus, gpus = lanes.cpus_per_worker, lanes.gpus_per_worker
    share = Resources(
        cpus=_share(total(nodes, "CPU"), workers, at_most=_largest(nodes, "CPU")) if cpus == "auto" else cpus,
        gpus=_share(total(nodes, "GPU"), workers, at_most=1.0) if gpus == "auto" else gpus,
    )
    if not unknown and not count_placeable_lanes(lanes, share, nodes):
        raise ClusterError(_too_large(lanes, share, nodes))
    return share


def max_lanes(lanes: LanesConfig, share: Resources, cluster: ClusterSnapshot) -> int:
    """Return how many of the requested lanes the cluster can ever hold at the same time.

    Args:
        lanes: the request.
        share: what each worker takes.
        cluster: the cluster.
    """
    requested = lanes.lanes
    if cluster.growth_unknown:
        return requested
    return min(requested, count_placeable_lanes(lanes, share, cluster.potential))


def count_placeable_lanes(lanes: LanesConfig, share: Resources, nodes: Nodes) -> int:
    """How many lanes fit on the nodes at the same time, under the lanes' placement strategy.

    Args:
        lanes: workers per lane, and how Ray may place them.
        share: what each worker takes.
        nodes: the nodes, taken as empty.
    """
    workers, strategy = lanes.workers_per_lane, lanes.placement_strategy
    fits = [fit for node, count in nodes for fit in [_count_workers(node, share)] * count]
    if strategy == "STRICT_PACK":
        return sum(fit // workers for fit in fits)
    if strategy == "STRICT_SPREAD":  # n lanes take `workers` different nodes each, of any node at most n places
        return max((n for n in range(1, sum(fits) + 1) if sum(min(fit, n) for fit in fits) >= n * workers), default=0)
    return sum(fits) // workers


def lanes_share_gpus(lanes: LanesConfig, cluster: ClusterSnapshot) -> bool:
    """Return whether several lanes are to share a GPU, by a share that a measured trial determines."""
    auto, gpus = lanes.max_concurrent_trials == "auto", total(cluster.potential, "GPU")
    shared = gpus and not cluster.growth_unknown and (auto or lanes.lanes * lanes.workers_per_lane > gpus)
    return bool(lanes.gpus_per_worker == "auto" and shared)


def prestarted_lane_count(lanes: LanesConfig, cluster: ClusterSnapshot) -> int:
    """Return how many lanes may start while the driver still loads their search.

    As many as the current nodes hold, with one core left for the driver's loading. None where the number of lanes is
    ``auto``, which is known only when data and model are loaded, nor where a trial has to measure their share of a GPU.

    Raises:
        ClusterError: the cluster can never hold one lane.
    """
    if lanes.max_concurrent_trials == "auto" or lanes_share_gpus(lanes, cluster):
        return 0
    by_cores = int(total(cluster.current, "CPU") - 1) // lanes.workers_per_lane
    placeable = count_placeable_lanes(lanes, resolve_worker_resources(lanes, cluster), cluster.current)
    return max(0, min(lanes.lanes, by_cores, placeable, MAX_PRESTARTED_LANES))


def trainable_resources(cluster: ClusterSnapshot) -> dict[str, float]:
    """Return what Ray Tune's actor of a trial requests: no CPU and no GPU, which are for the workers of lanes.

    Where the cluster has nodes with the resource ``driver``, as `cluster.yaml` gives its head node, the actor runs
    there: it then survives the end of a spot node, and keeps no idle node from being removed.
    """
    return {DRIVER: DRIVER_SHARE} if any(DRIVER in node for node, _ in cluster.potential) else {"memory": 1}


def _launchable() -> dict[str, tuple[dict[str, float], int]]:
    """Kinds of nodes that the launcher's autoscaler may add, by the configuration file on the head node."""
    file = Path(BOOTSTRAP_CONFIG).expanduser()
    if _started_by_this_process() or not file.exists():
        return {}
    return launchable(read_yaml(str(file)).value)


def _started_by_this_process() -> bool:
    """Whether the connected cluster is one that this process started on its machine, which does not grow.

    Ray's sessions are named after the time and the process that started them.
    """
    return str(ray.get_runtime_context().get_session_name()).rpartition("_")[2] == str(os.getpid())


def _size(resources: dict[str, float]) -> tuple[float, float]:
    return resources.get("GPU", 0.0), resources.get("CPU", 0.0)


def _largest(nodes: Nodes, kind: str) -> float:
    return max((node.get(kind, 0.0) for node, _ in nodes), default=0.0)


def _share(total: float, workers: int, at_most: float) -> float:
    """Return an equal share: whole units where each worker gets one, else a fraction in hundredths, rounded down."""
    share = min(total / workers, at_most)
    if share >= 1:
        return float(int(share))
    return max(int(share * 100), 1) / 100 if total else 0.0


def _count_workers(node: dict[str, float], share: Resources) -> int:
    """How many workers fit on an empty node."""
    needs = {"CPU": share.cpus, "GPU": share.gpus}
    return min((int(node.get(kind, 0.0) / amount + 1e-9) for kind, amount in needs.items() if amount), default=0)


def _too_large(lanes: LanesConfig, share: Resources, nodes: Nodes) -> str:
    where = {"STRICT_PACK": " on one node", "STRICT_SPREAD": " on different nodes"}.get(lanes.placement_strategy, "")
    return (
        f"a lane must fit on the cluster, but {lanes.workers_per_lane} workers of {share} each{where} do not fit "
        f"on {sum(count for _, count in nodes)} node(s) with {total(nodes, 'CPU'):g} CPU and "
        f"{total(nodes, 'GPU'):g} GPU in all; lower lanes.workers_per_lane, lanes.cpus_per_worker or "
        f"lanes.gpus_per_worker"
    )
