"""The Ray cluster: connection, nodes, and the resources that a lane takes of them. Imports Ray and nothing heavier."""

from gluetune.cluster.connect import connect_to_ray
from gluetune.cluster.resources import (
    Nodes,
    Resources,
    autoscaler_limits_unknown,
    count_placeable_lanes,
    current_nodes,
    lane_actor_resources,
    lanes_share_gpus,
    max_lanes,
    potential_nodes,
    prestart_resources,
    prestarted_lane_count,
    resolve_worker_resources,
    total,
)

__all__ = [
    "Nodes",
    "Resources",
    "autoscaler_limits_unknown",
    "connect_to_ray",
    "count_placeable_lanes",
    "current_nodes",
    "lane_actor_resources",
    "lanes_share_gpus",
    "max_lanes",
    "potential_nodes",
    "prestart_resources",
    "prestarted_lane_count",
    "resolve_worker_resources",
    "total",
]
