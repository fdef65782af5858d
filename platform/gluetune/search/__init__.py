"""A search put together: cluster, data, conductor, Ray Tune, winners."""

from gluetune.search.cluster import Resources, connect, most_lanes, share_out
from gluetune.search.packing import pack
from gluetune.search.pending import PendingNotice
from gluetune.search.plan import make_plan
from gluetune.search.prepare import Prepared, prepare
from gluetune.search.search import Search
from gluetune.search.trials import Ending

__all__ = [
    "Ending", "PendingNotice", "Prepared", "Resources", "Search", "connect", "make_plan", "most_lanes", "pack",
    "prepare", "share_out",
]
