"""Watches a Ray cluster from one of its hosts: ``watch.py ADDRESS``, until it is killed.

Prints one JSON line whenever something has changed: ``time``; ``nodes``, the live nodes that have CPUs, with their
addresses; ``actors``, of each live one its class, its node's address, its process id there, and its node; ``groups``,
of each placement group its state and the addresses of its bundles' nodes.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import ray
from ray._private.state import actors
from ray.util import placement_group_table


def seen() -> dict[str, Any]:
    """The cluster as it stands."""
    nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    names = {key: node["NodeName"] for key, node in nodes.items()}
    living = [actor for actor in actors().values() if actor["State"] not in ("DEAD", "DEPENDENCIES_UNREADY")]
    where = [
        [
            actor["ActorClassName"].rpartition(".")[2],
            names.get(node := actor["Address"]["NodeID"], ""),
            actor["Pid"],
            node,
        ]
        for actor in living
    ]
    groups = [
        [group["state"], sorted(names.get(node, "") for node in group["bundles_to_node_id"].values())]
        for group in placement_group_table().values()
        if group["state"] != "REMOVED"
    ]
    workers = {key: names[key] for key, node in nodes.items() if node["Resources"].get("CPU")}
    return {"nodes": workers, "actors": sorted(where), "groups": sorted(groups)}


def main() -> None:
    ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.ERROR, namespace="watch")
    last = None
    while True:
        if (now := seen()) != last:
            print(json.dumps({"time": time.time(), **now}), flush=True)
            last = now
        time.sleep(0.3)


if __name__ == "__main__":
    main()
