"""The Ray cluster: connection, nodes, and the resources that a lane takes of them. Imports Ray and nothing heavier."""

from gluetune.cluster.connect import connect_to_ray
from gluetune.cluster.resources import (
    ClusterSnapshot,
    Nodes,
    Resources,
    count_placeable_lanes,
    lanes_share_gpus,
    max_lanes,
    prestarted_lane_count,
    resolve_worker_resources,
    take_snapshot,
    total,
    trainable_resources,
)

__all__ = [
    "ClusterSnapshot",
    "Nodes",
    "Resources",
    "connect_to_ray",
    "count_placeable_lanes",
    "lanes_share_gpus",
    "max_lanes",
    "prestarted_lane_count",
    "resolve_worker_resources",
    "take_snapshot",
    "total",
    "trainable_resources",
]
