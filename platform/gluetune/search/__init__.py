"""A search put together: data, conductor, Ray Tune, winners."""

from gluetune.search.cluster_wait_notice import PendingNotice
from gluetune.search.concurrency import pack
from gluetune.search.plan import make_plan
from gluetune.search.prepare import SearchInputs, prepare
from gluetune.search.search import Search
from gluetune.search.trials import SearchStatus

__all__ = [
    "PendingNotice",
    "Search",
    "SearchInputs",
    "SearchStatus",
    "make_plan",
    "pack",
    "prepare",
]
