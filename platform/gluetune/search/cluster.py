"""The Ray cluster a search runs on: reached or started, and what one worker may take of it."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

import ray

from gluetune.config import LanesConfig
from gluetune.errors import ClusterError

LOCAL_OBJECT_STORE = 2 * 1024**3  # bytes; holds tokenised data and initial weights once


@dataclass(frozen=True)
class Resources:
    """What one worker of a lane takes."""

    cpus: float
    gpus: float

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{gpus}"


def connect(address: str | None) -> str:
    """Joins the cluster at an address, that of ``RAY_ADDRESS`` (set in submitted jobs), or starts one on this machine.

    A cluster of our own gets a token of its own, so that no web page opened on this machine can reach its dashboard
    (CVE-2023-48022), and leaves no token file behind that would change later ``ray start`` commands.

    Returns:
        Where the search runs, in words.

    Raises:
        ClusterError: there is no cluster at the address.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    if address is None:  # Ray turns token authentication on; without this it would write ~/.ray/auth_token
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        if address is None:
            ray.init(log_to_driver=False, object_store_memory=LOCAL_OBJECT_STORE, configure_logging=False)
            return "this machine"
        ray.init(address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        what = "Ray does not start on this machine" if address is None else f"no Ray cluster answers at {address!r}"
        raise ClusterError(f"{what}: {error}") from error
    return f"the Ray cluster at {ray.get_runtime_context().gcs_address}"


def share_out(lanes: LanesConfig) -> Resources:
    """What each worker takes, given the cluster as it is; ``auto`` shares all of it out among the lanes.

    Raises:
        ClusterError: the cluster can never hold one lane.
    """
    total = ray.cluster_resources()
    workers = lanes.max_concurrent_trials * lanes.workers_per_lane
    cpus, gpus = lanes.cpus_per_worker, lanes.gpus_per_worker
    share = Resources(
        cpus=_share(total.get("CPU", 0.0), workers) if cpus == "auto" else cpus,
        gpus=_share(total.get("GPU", 0.0), workers, at_most=1.0) if gpus == "auto" else gpus,
    )
    _check(lanes, share)
    return share


def _share(total: float, workers: int, at_most: float = float("inf")) -> float:
    """An equal share: whole units where there is one for everybody, else a fraction rounded down to hundredths."""
    share = min(total / workers, at_most)
    return float(int(share)) if share >= 1 else int(share * 100) / 100


def _check(lanes: LanesConfig, share: Resources) -> None:
    nodes = _nodes()
    room = sum(count * _fits(node, share) for node, count in nodes)
    spread = sum(count * (_fits(node, share) > 0) for node, count in nodes)
    strict = lanes.placement_strategy == "STRICT_SPREAD"
    if (spread if strict else room) >= lanes.workers_per_lane:
        return
    cpus, gpus = (sum(count * node.get(kind, 0) for node, count in nodes) for kind in ("CPU", "GPU"))
    raise ClusterError(
        f"a lane must fit on the cluster, but {lanes.workers_per_lane} workers of {share} each"
        f"{' on different nodes' if strict else ''} do not fit on {sum(count for _, count in nodes)} node(s) with "
        f"{cpus:g} CPU and {gpus:g} GPU in all; lower lanes.workers_per_lane, lanes.cpus_per_worker or "
        f"lanes.gpus_per_worker")


def _nodes() -> list[tuple[dict[str, float], int]]:
    """Resources and number of the nodes that are there or that an autoscaler could still add."""
    from ray._private.state import state

    nodes = [(node["Resources"], 1) for node in ray.nodes() if node["Alive"]]
    config = state.get_cluster_config()
    groups = config.node_group_configs if config else ()
    return nodes + [(dict(group.resources), group.max_count) for group in groups]


def _fits(node: dict[str, float], share: Resources) -> int:
    """How many workers a node could hold."""
    wants = {"CPU": share.cpus, "GPU": share.gpus}
    return min(int(node.get(kind, 0) / amount + 1e-9) for kind, amount in wants.items() if amount)
