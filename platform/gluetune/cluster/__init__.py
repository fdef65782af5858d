"""The Ray cluster: joined or started, what it has, and what a lane may take of it. Imports Ray and no more."""

from gluetune.cluster.connect import connect
from gluetune.cluster.nodes import Nodes, all_nodes, growth_unknown, nodes_here, total
from gluetune.cluster.resources import (
    Resources,
    early_lanes,
    early_resources,
    gpus_shared,
    most_lanes,
    room,
    share_out,
    trial_resources,
)

__all__ = [
    "Nodes",
    "Resources",
    "all_nodes",
    "connect",
    "early_lanes",
    "early_resources",
    "gpus_shared",
    "growth_unknown",
    "most_lanes",
    "nodes_here",
    "room",
    "share_out",
    "total",
    "trial_resources",
]
