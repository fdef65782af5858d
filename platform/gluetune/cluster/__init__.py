"""The Ray cluster: joined or started, what it has, and what a lane may take of it. Imports Ray and no more."""

from gluetune.cluster.connect import connect
from gluetune.cluster.nodes import Nodes, autoscaler_limits_unknown, current_nodes, potential_nodes, total
from gluetune.cluster.resources import (
    Resources,
    count_placeable_lanes,
    lane_actor_resources,
    lanes_share_gpus,
    max_lanes,
    prestart_resources,
    prestarted_lane_count,
    resolve_worker_resources,
)

__all__ = [
    "Nodes",
    "Resources",
    "autoscaler_limits_unknown",
    "connect",
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
