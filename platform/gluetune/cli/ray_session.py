"""On a Ray cluster: joined while this process imports what it needs, and left at the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import ray

from gluetune.cli import places
from gluetune.cli.terminal import Terminal
from gluetune.cluster import connect
from gluetune.config import StorageConfig, TrackingConfig
from gluetune.lanes.prestart import PrestartedLanes
from gluetune.supervisor import own_process_group, stop_on_signals
from gluetune.supervisor.process import gc_paused
from gluetune.tracking import check_store


class _Job(Protocol):
    @property
    def storage(self) -> StorageConfig: ...
    @property
    def tracking(self) -> TrackingConfig: ...


@contextmanager
def joined(
    job: _Job,
    address: str | None,
    log: Path,
    terminal: Terminal,
    early: PrestartedLanes | None = None,
) -> Iterator[None]:
    """Joins a Ray cluster, or starts one on this machine, and leaves it when the block ends.

    For some seconds Ray's processes start and this one waits: a thread imports torch and transformers meanwhile, which
    know nothing of Ray. (Ray itself must be imported and started by one thread, the main one.) Pre-training has
    imported them before.

    Args:
        job: says where its record goes, which must be possible.
        address: the cluster's.
        log: where Ray's output goes, as the terminal has it already.
        terminal: told what takes its time.
        early: lanes that start as soon as the cluster is joined.

    Raises:
        TrackingError: the job's tracking store cannot be used.
        ClusterError: there is no cluster at the address, or it does not let us in.
    """
    check_store(places.tracking_uri(job.storage, job.tracking), str(job.tracking.experiment))
    terminal.note(f"joining Ray … (its output, and that of the libraries, goes to {log})")
    try:
        with gc_paused(), ThreadPoolExecutor(1, "gluetune-import") as thread:
            if early is not None:
                early.load()
            imported = thread.submit(_import_what_is_slow)
            where = join(address, terminal)
            if early is not None:
                early.start()
            imported.result()
            import gluetune.search.search  # noqa: F401 - it imports Ray Train, which must be done by the main thread
        terminal.note(f"running on {where}")
        yield
    finally:
        ray.shutdown()
        if early is not None:
            early.cleanup()


def join(address: str | None, terminal: Terminal) -> str:
    """Joins a Ray cluster, or starts one, so that stop signals end this process as they do before and after.

    Args:
        address: the cluster's; see `gluetune.cluster.connect`, which says what is returned and raised.
        terminal: where its notes are printed.
    """
    stop_on_signals()
    with own_process_group():
        where = connect(address, terminal.note)
    stop_on_signals()  # Ray has set a handler of its own for SIGTERM
    return where


def _import_what_is_slow() -> None:
    import gluetune.data
    import gluetune.models  # noqa: F401
