"""A search put together: cluster, data, conductor, Ray Tune, winners."""

from gluetune.search.cluster import Resources, connect, share_out
from gluetune.search.plan import make_plan
from gluetune.search.prepare import Prepared, prepare
from gluetune.search.search import Ending, Search

__all__ = ["Ending", "Prepared", "Resources", "Search", "connect", "make_plan", "prepare", "share_out"]
