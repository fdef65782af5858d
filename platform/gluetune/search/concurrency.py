"""How many lanes a search runs, and what share of a GPU each takes: measured, where lanes share GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from gluetune.cluster import (
    Resources,
    autoscaler_limits_unknown,
    count_placeable_lanes,
    lanes_share_gpus,
    potential_nodes,
    total,
)
from gluetune.config import JobConfig, LanesConfig, SearchSpace, TrainingConfig, resolve_training
from gluetune.data import EncodedTask
from gluetune.errors import ClusterError
from gluetune.search.cluster_wait_notice import EVERY_S
from gluetune.search.prepare import SearchInputs, corners
from gluetune.search.remote import cancelled_at_the_end
from gluetune.tasks import get_task
from gluetune.training import DistributedContext
from gluetune.training.memory import is_out_of_memory
from gluetune.training.profiling import CudaProfiler, ResourceProfile, profile_trial


def pack(
    job: JobConfig,
    space: SearchSpace,
    prepared: SearchInputs,
    notify: Callable[[str], None],
    make_room: Callable[[], None],
) -> LanesConfig:
    """The job's lanes with a number for ``max_concurrent_trials: auto``, and a share of a GPU that was measured.

    Where lanes are to share GPUs and ``gpus_per_worker`` is ``auto``, one trial is first tried out on one GPU for some
    dozens of steps. Workers that train one trial together never share a GPU: NCCL refuses that.

    Args:
        job: the job.
        space: its search space.
        prepared: encoder and data.
        notify: told what is measured.
        make_room: ends lanes that have started already, before a trial is tried out: one may hold the GPU for it,
            where the cluster has lost others since.

    Raises:
        ClusterError: nobody knows how large the cluster may grow, but the number of lanes follows its size.
    """
    lanes, nodes = job.lanes, potential_nodes()
    auto = lanes.max_concurrent_trials == "auto"
    if auto and autoscaler_limits_unknown():
        raise ClusterError(
            "lanes.max_concurrent_trials must be a number where nobody tells which nodes may come "
            "(KubeRay), but got auto"
        )
    if lanes_share_gpus(lanes, nodes):
        gpus = total(nodes, "GPU")
        found = packed(lanes, gpus, lambda: _measured(job, space, prepared, notify, make_room))
        if not auto and found.lanes < lanes.lanes:
            notify(f"{found.lanes} of {lanes.lanes} lanes: no more fit the memory of {gpus:g} GPU(s)")
        return found
    if auto:
        cpus, given = lanes.cpus_per_worker, lanes.gpus_per_worker
        share = Resources(1.0 if cpus == "auto" else cpus, 0.0 if given == "auto" else given)
        return lanes.model_copy(update={"max_concurrent_trials": max(1, count_placeable_lanes(lanes, share, nodes))})
    return lanes


def packed(lanes: LanesConfig, gpus: float, measure: Callable[[], ResourceProfile]) -> LanesConfig:
    """Lanes that share GPUs, as many as keep the GPUs busy; or as many as asked for, if they fit the memory.

    Args:
        lanes: as the job has them.
        gpus: that the cluster has, or that its autoscaler may add.
        measure: what one trial takes of a GPU.
    """
    workers, auto = lanes.workers_per_lane, lanes.max_concurrent_trials == "auto"
    need = measure() if workers == 1 else None
    on_each = 1 if need is None else need.trials_per_gpu if auto else need.fitting
    most = max(1, int(gpus) * on_each // workers)
    count = most if auto else min(lanes.lanes, most)
    sharing = math.ceil(count * workers / gpus) if workers == 1 else 1
    return lanes.model_copy(update={"max_concurrent_trials": count, "gpus_per_worker": int(100 / sharing) / 100})


def demanding(job: JobConfig, space: SearchSpace) -> tuple[TrainingConfig, int]:
    """A configuration of the space with its largest batches, and the size of its usual ones: the geometric mean."""
    training = resolve_training(job, space, next(corners(space)))
    largest = int(space.largest("batch_size", training.batch_size))
    return training.model_copy(update={"batch_size": largest}), round(math.sqrt(training.batch_size * largest))


def hardest(data: Mapping[str, EncodedTask]) -> tuple[str, EncodedTask, NDArray[np.int64]]:
    """The task with the longest row, its rows, and tokens: no task's trials train the embeddings of more."""
    longest = max(data, key=lambda name: int(data[name].train.lengths.max()))
    most = max((rows.vocabulary for rows in data.values()), key=len)
    return longest, data[longest], np.union1d(data[longest].vocabulary, most)


def _measured(
    job: JobConfig,
    space: SearchSpace,
    prepared: SearchInputs,
    notify: Callable[[str], None],
    make_room: Callable[[], None],
) -> ResourceProfile:
    make_room()
    notify("trying one trial out on one GPU, to see how many share it …")
    measured = ray.remote(num_cpus=1, num_gpus=1, max_retries=1)(_measure).remote(
        *hardest(prepared.data), prepared.encoder, *demanding(job, space), job.seed
    )
    with cancelled_at_the_end([measured]):
        while not ray.wait([measured], timeout=EVERY_S)[0]:
            notify("waiting for a GPU to try one trial out on; a number for lanes.gpus_per_worker does without")
            make_room()  # a lane may have taken it just as it ended
        need: ResourceProfile = ray.get(measured)
    notify(
        f"a trial takes {need.memory:.0%} of a GPU's memory and keeps it busy {need.busy:.0%} of the time: "
        f"{need.trials_per_gpu} at once on each"
    )
    return need


def _measure(
    task: str,
    data: Any,
    used: Any,
    encoder: Any,
    training: TrainingConfig,
    usual_size: int,
    seed: int,
) -> ResourceProfile:
    """Runs on a GPU of its own. What does not fit runs alone, with micro-batches."""
    device = "cuda:0"
    try:
        return profile_trial(
            get_task(task),
            data,
            used,
            encoder,
            training,
            usual_size,
            seed,
            CudaProfiler(device),
            DistributedContext(device=device),
        )
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    return ResourceProfile(memory=1.0, busy=1.0)
