"""The number of lanes of a search and what each of their workers takes, decided from one snapshot of the cluster.

Where lanes share GPUs, a trial is measured first.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from gluetune.cluster import (
    ClusterSnapshot,
    Resources,
    count_placeable_lanes,
    lanes_share_gpus,
    max_lanes,
    resolve_worker_resources,
    total,
)
from gluetune.config import JobConfig, LanesConfig, SearchSpace, TrainingConfig, resolve_training
from gluetune.data import EncodedTask
from gluetune.errors import ClusterError
from gluetune.search.prepare import PreparedEncoder, SearchInputs, corner_points
from gluetune.search.ray_tasks import NOTICE_INTERVAL_S, cancel_on_error
from gluetune.training import DistributedContext
from gluetune.training.memory import is_out_of_memory
from gluetune.training.profiling import CudaProfiler, ResourceProfile, profile_trial

logger = logging.getLogger(__name__)

Measure = Callable[[], ResourceProfile]


@dataclass(frozen=True)
class LanePlan:
    """The lanes of a search.

    Attributes:
        lanes: the job's lanes with a number for ``max_concurrent_trials`` and ``gpus_per_worker``, where they were
            ``auto`` and depend on the cluster or on a measured trial; no more than the cluster can ever hold.
        resources: what each worker takes.
    """

    lanes: LanesConfig
    resources: Resources


def plan_lanes(lanes: LanesConfig, cluster: ClusterSnapshot, measure: Measure) -> LanePlan:
    """Decide the number of lanes and what each of their workers takes.

    Where lanes share GPUs and ``gpus_per_worker`` is ``auto``, one trial is first measured on one GPU for some dozens
    of steps. Workers that train one trial together never share a GPU, because NCCL does not support it.

    Args:
        lanes: the job's lanes.
        cluster: the cluster.
        measure: profiles one trial on one GPU.

    Raises:
        ClusterError: the cluster can never hold one lane, or the number of lanes is ``auto``, but it is unknown how
            large the cluster may grow.
    """
    requested = _requested_lanes(lanes, cluster, measure)
    resources = resolve_worker_resources(requested, cluster)
    count = max_lanes(requested, resources, cluster)
    if count == requested.lanes:
        return LanePlan(requested, resources)
    logger.info(
        f"{count} of {requested.lanes} lanes: the cluster, with all that its autoscaler may add, holds no more of "
        f"{requested.workers_per_lane} × ({resources}) each"
    )
    return LanePlan(requested.model_copy(update={"max_concurrent_trials": count}), resources)


def _requested_lanes(lanes: LanesConfig, cluster: ClusterSnapshot, measure: Measure) -> LanesConfig:
    auto = lanes.max_concurrent_trials == "auto"
    if auto and cluster.growth_unknown:
        raise ClusterError(
            "lanes.max_concurrent_trials must be a number where it is unknown which nodes may join "
            "(KubeRay), but got auto"
        )
    if lanes_share_gpus(lanes, cluster):
        gpus = total(cluster.potential, "GPU")
        shared = plan_gpu_sharing(lanes, gpus, measure)
        if not auto and shared.lanes < lanes.lanes:
            logger.info(f"{shared.lanes} of {lanes.lanes} lanes: no more fit the memory of {gpus:g} GPU(s)")
        return shared
    if auto:
        cpus, gpus_per_worker = lanes.cpus_per_worker, lanes.gpus_per_worker
        share = Resources(1.0 if cpus == "auto" else cpus, 0.0 if gpus_per_worker == "auto" else gpus_per_worker)
        count = max(1, count_placeable_lanes(lanes, share, cluster.potential))
        return lanes.model_copy(update={"max_concurrent_trials": count})
    return lanes


def plan_gpu_sharing(lanes: LanesConfig, gpus: float, measure: Measure) -> LanesConfig:
    """Plan lanes that share GPUs: as many as keep the GPUs busy, or as many as the job sets, if they fit the memory.

    Args:
        lanes: the job's lanes.
        gpus: number of GPUs that the cluster has or that its autoscaler may add.
        measure: profiles one trial on one GPU.
    """
    workers, auto = lanes.workers_per_lane, lanes.max_concurrent_trials == "auto"
    need = measure() if workers == 1 else None
    per_gpu = 1 if need is None else need.trials_per_gpu if auto else need.fitting
    limit = max(1, int(gpus) * per_gpu // workers)
    count = limit if auto else min(lanes.lanes, limit)
    sharing = math.ceil(count * workers / gpus) if workers == 1 else 1
    return lanes.model_copy(update={"max_concurrent_trials": count, "gpus_per_worker": int(100 / sharing) / 100})


def worst_case_config(job: JobConfig, space: SearchSpace) -> tuple[TrainingConfig, int]:
    """Return a configuration of the space with its largest batch size, and its usual batch size.

    The usual size is the geometric mean of the smallest and the largest.
    """
    training = resolve_training(job, space, next(corner_points(space)))
    largest = int(space.largest("batch_size", training.batch_size))
    return training.model_copy(update={"batch_size": largest}), round(math.sqrt(training.batch_size * largest))


def worst_case_data(data: Mapping[str, EncodedTask]) -> tuple[EncodedTask, NDArray[np.int64]]:
    """Return what makes a trial need the most memory.

    Returns:
        The rows of the task with the longest row, and token ids ``[n]`` at least as many as any task uses,
        whose embeddings are trained.
    """
    longest = max(data.values(), key=lambda rows: int(rows.train.lengths.max()))
    largest = max((rows.vocabulary for rows in data.values()), key=len)
    return longest, np.union1d(longest.vocabulary, largest)


def measure_trial(
    job: JobConfig, space: SearchSpace, prepared: SearchInputs, end_lanes: Callable[[], None]
) -> ResourceProfile:
    """Profile one trial of each encoder on one GPU of the cluster, as Ray tasks one after another.

    Args:
        job: the job.
        space: its search space.
        prepared: encoders and data.
        end_lanes: ends lanes that have started already: in a cluster that has lost nodes since, one of them may hold
            the only GPU.

    Returns:
        The largest memory and the longest time that a trial of any encoder needs.
    """
    end_lanes()
    logger.info("profiling one trial of each encoder on one GPU, to decide how many share it …")
    profiles = [
        _measure(each, worst_case_config(job, space.parts[name]), job.seed, end_lanes)
        for name, each in prepared.encoders.items()
    ]
    need = ResourceProfile(max(each.memory for each in profiles), max(each.busy for each in profiles))
    logger.info(
        f"a trial takes {need.memory:.0%} of a GPU's memory and keeps it busy {need.busy:.0%} of the time: "
        f"{need.trials_per_gpu} at once on each"
    )
    return need


def _measure(
    encoder: PreparedEncoder, config: tuple[TrainingConfig, int], seed: int, end_lanes: Callable[[], None]
) -> ResourceProfile:
    measured = ray.remote(num_cpus=1, num_gpus=1, max_retries=1)(_profile_on_gpu).remote(
        *worst_case_data(encoder.data), encoder.encoder, *config, seed
    )
    with cancel_on_error([measured]):
        while not ray.wait([measured], timeout=NOTICE_INTERVAL_S)[0]:
            logger.info("waiting for a GPU to profile one trial on; not needed with a number for lanes.gpus_per_worker")
            end_lanes()  # a lane that was ending may have taken the GPU
        need: ResourceProfile = ray.get(measured)
    return need


def _profile_on_gpu(
    data: EncodedTask,
    used: Any,
    encoder: Any,
    training: TrainingConfig,
    usual_size: int,
    seed: int,
) -> ResourceProfile:
    """Run as a Ray task with a GPU of its own. A trial that does not fit it runs alone, with micro-batches."""
    device = "cuda:0"
    try:
        return profile_trial(
            data.task,
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
