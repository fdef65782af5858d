"""The nodes that a cluster has, and those that its autoscaler may still add."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ray
import yaml

Nodes = list[tuple[dict[str, float], int]]
"""Resources of a kind of node, and how many nodes of that kind there can be."""

BOOTSTRAP_CONFIG = "~/ray_bootstrap_config.yaml"  # Ray's cluster launcher leaves its configuration there on the head
NODE_TYPE = "ray.io/node-group"  # label of nodes that an autoscaler made


def potential_nodes() -> Nodes:
    """Nodes that are there, and those that an autoscaler could still add, as its configuration says.

    Ray itself does not tell a driver what its autoscaler may add; drivers run on the head, where the file is.
    """
    types = _launchable()
    there = [
        (node["Resources"], 1) for node in ray.nodes() if node["Alive"] and node["Labels"].get(NODE_TYPE) not in types
    ]
    return there + list(types.values())


def current_nodes() -> Nodes:
    """Nodes that are there now."""
    return [(node["Resources"], 1) for node in ray.nodes() if node["Alive"]]


def autoscaler_limits_unknown() -> bool:
    """Whether nodes may come that nobody here knows of: KubeRay keeps its autoscaler's configuration to itself."""
    return os.environ.get("RAY_USAGE_STATS_KUBERAY_IN_USE") == "1" and not _launchable()


def total(nodes: Nodes, kind: str) -> float:
    """How much of a resource all nodes have together."""
    return sum(count * node.get(kind, 0.0) for node, count in nodes)


def _launchable() -> dict[str, tuple[dict[str, float], int]]:
    """Kinds of nodes that the launcher's autoscaler may add, with their resources and numbers, largest first."""
    file = Path(BOOTSTRAP_CONFIG).expanduser()
    if ray._private.worker._global_node.is_head() or not file.exists():  # type: ignore[attr-defined]  # a cluster of our own does not grow
        return {}
    config = yaml.safe_load(file.read_text())
    return launchable(config)


def launchable(config: dict[str, Any]) -> dict[str, tuple[dict[str, float], int]]:
    """Kinds of nodes in a launcher's configuration, with resources and numbers, in all at most its ``max_workers``."""
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


def _size(resources: dict[str, float]) -> tuple[float, float]:
    return resources.get("GPU", 0.0), resources.get("CPU", 0.0)
