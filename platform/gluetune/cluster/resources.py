"""What one worker may take of the cluster, and how many lanes it holds."""

from __future__ import annotations

from dataclasses import dataclass

from gluetune.cluster.nodes import Nodes, autoscaler_limits_unknown, current_nodes, potential_nodes, total
from gluetune.config import LanesConfig
from gluetune.errors import ClusterError

DRIVER, DRIVER_SHARE = "driver", 0.001  # custom resource of nodes that stay, and what one lane takes of it
PRESTART_SHARE = 0.0001  # what an early lane takes of it beside that: the least that Ray counts
MAX_PRESTARTED_LANES = 16  # lanes; there are hardly more whose imports are over before their search is loaded


@dataclass(frozen=True)
class Resources:
    """What one worker of a lane takes."""

    cpus: float
    gpus: float

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{gpus}"


def resolve_worker_resources(lanes: LanesConfig) -> Resources:
    """What each worker takes; ``auto`` shares out all that the cluster has, or that its autoscaler may add.

    Raises:
        ClusterError: the cluster can never hold one lane.
    """
    nodes, unknown = potential_nodes(), autoscaler_limits_unknown()
    if unknown and "auto" in (lanes.cpus_per_worker, lanes.gpus_per_worker) and not total(nodes, "CPU"):
        raise ClusterError(
            "lanes.cpus_per_worker and lanes.gpus_per_worker must be numbers where no node is there yet "
            "and nobody tells which may come (KubeRay), but got (cpus_per_worker="
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


def max_lanes(lanes: LanesConfig, share: Resources) -> int:
    """How many of the lanes asked for the cluster can ever hold at the same time."""
    asked = lanes.lanes
    return asked if autoscaler_limits_unknown() else min(asked, count_placeable_lanes(lanes, share, potential_nodes()))


def lanes_share_gpus(lanes: LanesConfig, nodes: Nodes) -> bool:
    """Whether lanes are to share GPUs, by a share that is measured on one."""
    auto, gpus = lanes.max_concurrent_trials == "auto", total(nodes, "GPU")
    shared = gpus and not autoscaler_limits_unknown() and (auto or lanes.lanes * lanes.workers_per_lane > gpus)
    return bool(lanes.gpus_per_worker == "auto" and shared)


def prestarted_lane_count(lanes: LanesConfig) -> int:
    """How many lanes may start while their search is still being loaded.

    As many as the nodes that are there have room for, with a core left for the loading: the first lane has the other
    one for itself then, where there are two. None where their number is ``auto``, which is found when data and model
    are loaded, also where no GPU has to be measured for it; nor where their share of a GPU is yet to be measured.

    Raises:
        ClusterError: the cluster can never hold one lane.
    """
    here = current_nodes()
    if lanes.max_concurrent_trials == "auto" or lanes_share_gpus(lanes, potential_nodes()):
        return 0
    cores = int(total(here, "CPU") - 1) // lanes.workers_per_lane
    return max(
        0,
        min(
            lanes.lanes,
            cores,
            count_placeable_lanes(lanes, resolve_worker_resources(lanes), here),
            MAX_PRESTARTED_LANES,
        ),
    )


def prestart_resources() -> dict[str, float]:
    """What the actor of an early lane asks for: a place where `lane_actor_resources` would have it."""
    return {DRIVER: PRESTART_SHARE} if any(DRIVER in node for node, _ in current_nodes()) else {}


def lane_actor_resources() -> dict[str, float]:
    """What the actor that drives a lane asks for: no CPU and no GPU, which are its workers'.

    Where the cluster has nodes with the resource ``driver``, as `cluster.yaml` gives its head, it lives there: spot
    nodes may then go without taking a lane along, and none is kept from ending when it is idle.
    """
    nodes = potential_nodes()
    return {DRIVER: DRIVER_SHARE} if any(DRIVER in node for node, _ in nodes) else {"memory": 1}


def _largest(nodes: Nodes, kind: str) -> float:
    return max((node.get(kind, 0.0) for node, _ in nodes), default=0.0)


def _share(total: float, workers: int, at_most: float) -> float:
    """An equal share: whole units where there is one for everybody, else a fraction in hundredths, rounded down."""
    share = min(total / workers, at_most)
    if share >= 1:
        return float(int(share))
    return max(int(share * 100), 1) / 100 if total else 0.0


def count_placeable_lanes(lanes: LanesConfig, share: Resources, nodes: Nodes) -> int:
    """How many lanes fit on the nodes at the same time."""
    wanted, strategy = lanes.workers_per_lane, lanes.placement_strategy
    fits = [fit for node, count in nodes for fit in [_fits(node, share)] * count]
    if strategy == "STRICT_PACK":
        return sum(fit // wanted for fit in fits)
    if strategy == "STRICT_SPREAD":  # n lanes take `wanted` different nodes each, of any node at most n places
        return max((n for n in range(1, sum(fits) + 1) if sum(min(fit, n) for fit in fits) >= n * wanted), default=0)
    return sum(fits) // wanted


def _too_large(lanes: LanesConfig, share: Resources, nodes: Nodes) -> str:
    where = {"STRICT_PACK": " on one node", "STRICT_SPREAD": " on different nodes"}.get(lanes.placement_strategy, "")
    return (
        f"a lane must fit on the cluster, but {lanes.workers_per_lane} workers of {share} each{where} do not fit "
        f"on {sum(count for _, count in nodes)} node(s) with {total(nodes, 'CPU'):g} CPU and "
        f"{total(nodes, 'GPU'):g} GPU in all; lower lanes.workers_per_lane, lanes.cpus_per_worker or "
        f"lanes.gpus_per_worker"
    )


def _fits(node: dict[str, float], share: Resources) -> int:
    """How many workers a node could hold."""
    wants = {"CPU": share.cpus, "GPU": share.gpus}
    return min((int(node.get(kind, 0.0) / amount + 1e-9) for kind, amount in wants.items() if amount), default=0)
