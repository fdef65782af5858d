"""A run's time on a Ray cluster: connected while this process imports what it needs, and left at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import ray

from gluetune.api.frontend import Frontend
from gluetune.api.places import tracking_uri
from gluetune.config import StorageConfig, TrackingConfig
from gluetune.lanes.prestart import PrestartedLanes
from gluetune.tracking import check_store

logger = logging.getLogger(__name__)


class _Job(Protocol):
    @property
    def storage(self) -> StorageConfig: ...
    @property
    def tracking(self) -> TrackingConfig: ...


@contextmanager
def ray_session(
    job: _Job,
    address: str | None,
    log: Path,
    frontend: Frontend,
    prestarted: PrestartedLanes | None = None,
) -> Iterator[None]:
    """Connect to a Ray cluster, or start one on this machine, and disconnect when the block ends.

    Where this process is connected to Ray already, that connection is used, and it is there afterwards too.

    For some seconds Ray's processes start and this one waits: a thread imports torch and transformers meanwhile, which
    do not touch Ray. (Ray itself must be imported and started by one thread.) Pre-training has imported them before.

    Args:
        job: says where its record goes, which must be possible.
        address: the cluster's.
        log: where the output of libraries may go.
        frontend: the program around the run.
        prestarted: lanes that start as soon as the cluster is connected.

    Raises:
        TrackingError: the job's tracking store cannot be used.
        ClusterError: there is no cluster at the address, or it refuses the connection.
    """
    check_store(tracking_uri(job), str(job.tracking.experiment))
    logger.info(f"joining Ray …{frontend.log_place(log)}")
    try:
        with connection(frontend, prestarted):
            with frontend.importing(), ThreadPoolExecutor(1, "gluetune-import") as thread:
                imported = thread.submit(_import_data_and_models)
                where = frontend.connect(address)
                if prestarted is not None:
                    prestarted.start()
                imported.result()
                import gluetune.search.search  # noqa: F401 - and more of Ray, which the connecting thread must do
            logger.info(f"running on {where}")
            yield
    finally:
        if prestarted is not None:
            prestarted.cleanup()


@contextmanager
def connection(frontend: Frontend, prestarted: PrestartedLanes | None = None) -> Iterator[None]:
    """Surround a connection to Ray that the block makes; end it, unless this process had been connected before.

    Args:
        frontend: the program around the run.
        prestarted: lanes to stop where the connection lasts.
    """
    lasting = ray.is_initialized()
    try:
        with frontend.connected():
            yield
    finally:
        if not lasting:
            ray.shutdown()
        elif prestarted is not None and ray.is_initialized():
            prestarted.pool.shutdown()


def _import_data_and_models() -> None:
    import gluetune.data
    import gluetune.models  # noqa: F401
