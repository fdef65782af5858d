"""The Ray cluster: joined or started, what it has, and what a lane may take of it. Imports Ray and no more."""

from gluetune.cluster.connect import connect
from gluetune.cluster.nodes import Nodes, all_nodes, growth_unknown, total
from gluetune.cluster.resources import Resources, most_lanes, room, share_out, trial_resources

__all__ = ["Nodes", "Resources", "all_nodes", "connect", "growth_unknown", "most_lanes", "room",
           "share_out", "total", "trial_resources"]
