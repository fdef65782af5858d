"""The recommended grid on CoLA, run by each contender, once for all comparisons; the gaps and use of its lanes."""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import quantiles
from typing import Any, Literal

from benchmarks.baselines.work import Work
from benchmarks.comparison import BenchmarkConfig, compact_encoder, minilm_encoder
from benchmarks.programs import TUNE, Finished, run_python
from gluetune.config import (
    DataConfig,
    JobConfig,
    LanesConfig,
    ModelConfig,
    SearchConfig,
    StorageConfig,
    dump_job,
    load_space,
)
from gluetune.data import Examples, open_source, split_rows
from gluetune.events import JournalReader, TrialRecord
from gluetune.internals.guard import VARIABLE as INTERNALS
from gluetune.reporting.summary import FILE as SUMMARY
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage
from gluetune.tasks import get_task


@dataclass(frozen=True)
class TrialTimes:
    """The times of a trial's training.

    Attributes:
        began: when its first training step began, in seconds since the epoch.
        ended: when its last evaluation was done.
        busy_s: seconds inside training steps, batches included, and evaluations.
    """

    began: float
    ended: float
    busy_s: float


def from_record(trial: TrialRecord) -> TrialTimes:
    """Compute the times of one of gluetune's trials.

    A lane reports an evaluation once its weights are saved, some milliseconds after it was done.

    Args:
        trial: one that was evaluated.
    """
    first, last = trial.evaluations[0], trial.evaluations[-1]
    busy = sum(evaluation.train_seconds + evaluation.eval_seconds for evaluation in trial.evaluations)
    return TrialTimes(first.time - first.train_seconds - first.eval_seconds, last.time, busy)


def from_clock(times: Mapping[str, Any]) -> TrialTimes:
    """Compute the times of a baseline's trial from a `benchmarks.baselines.run_glue.StepClock`'s record."""
    return TrialTimes(times["first_step"], times["busy_until"], times["busy_seconds"])


def gaps(trials: Iterable[TrialTimes], lanes: int) -> list[float]:
    """Seconds from the end of a lane's last step or evaluation of a trial to its first step of the next one.

    Trials without a recorded lane are assigned, in the order they began, to the lane that was free first.
    """
    ends: list[float] = []
    found: list[float] = []
    for trial in sorted(trials, key=lambda trial: trial.began):
        if len(ends) == lanes:
            found.append(trial.began - heapq.heappop(ends))
        heapq.heappush(ends, trial.ended)
    return found


def recorded_gaps(trials: Iterable[TrialRecord]) -> list[float]:
    """Seconds from a lane's last step or evaluation of a trial to its first step of the next, as lanes recorded it."""
    return [e.idle_seconds_before for trial in trials for e in trial.evaluations if e.idle_seconds_before is not None]


def percentile(values: Sequence[float], share: int) -> float:
    """Return a percentile, between the two nearest values; a single value is all of them."""
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[share - 1]


def utilisation(trials: Sequence[TrialTimes], lanes: int) -> float:
    """Busy seconds ÷ (lanes × seconds from the first trial's first step to the end of the last evaluation)."""
    wall = max(trial.ended for trial in trials) - min(trial.began for trial in trials)
    return sum(trial.busy_s for trial in trials) / (lanes * wall)


NAME, SPACE, TASK = "gluetune", "bert_recommended", "cola"
MOST_CPU_LANES = 4
Lanes = int | Literal["auto"]
EncoderSize = Literal["compact", "MiniLM-size"]
SIZES: tuple[EncoderSize, ...] = ("compact", "MiniLM-size")


@dataclass(frozen=True)
class GridRun:
    """A contender's run of the grid.

    Attributes:
        wall_s: from command to exit; of a loop, of all its processes.
        best: the best trial's score on the selection rows.
        lanes: how many trials it trains at a time.
        trials: when they trained; empty where no comparison needs them.
        gaps: between trials on a lane, in seconds.
    """

    wall_s: float
    best: float
    lanes: int = 1
    trials: Sequence[TrialTimes] = ()
    gaps: Sequence[float] = ()


def lane_count() -> Lanes:
    """Return a lane per core, at most four; as many as gluetune itself chooses where there are GPUs."""
    import torch

    return "auto" if torch.cuda.is_available() else min(MOST_CPU_LANES, len(os.sched_getaffinity(0)))


def make_job(config: BenchmarkConfig, model: str, folder: Path, trials: int | None, lanes: Lanes) -> JobConfig:
    """Make gluetune's job."""
    source = DataConfig(source="dir", dir=config.glue_dir) if config.glue_dir else DataConfig()
    data = source.model_copy(
        update={"max_train_samples": config.max_train_samples, "max_eval_samples": config.max_eval_samples}
    )
    return JobConfig(
        name=NAME,
        seed=config.seed,
        tasks={TASK: 1.0},
        data=data,
        model=ModelConfig(name_or_path=model),
        search=SearchConfig(space=SPACE, num_samples=trials),
        lanes=LanesConfig(max_concurrent_trials=lanes),
        storage=StorageConfig(path=str(folder)),
    )


def grid_work(job: JobConfig) -> Work:
    """Make the baselines' work: the trials of a gluetune job, in the order of its search, and its rows."""
    task, space = get_task(TASK), load_space(SPACE)
    rows = split_rows(task, open_source(job.data), job.data, job.seed)
    sampler = TrialSampler(job.weights, space, job.search.algorithm, job.training, job.seed, job.search.num_samples)
    points = [spec.training for spec in iter(sampler.ask, None)]
    return Work(
        job.model.name,
        _columns(rows.train),
        _columns(rows.selection),
        task.num_labels,
        job.data.max_seq_length,
        job.seed,
        points,
    )


def run_job(
    job: JobConfig,
    folder: Path,
    address: str | None,
    variables: Mapping[str, str] | None = None,
) -> tuple[Finished, JournalReader]:
    """Run a job by ``gluetune tune``; return the finished program and the journal.

    Args:
        job: the job.
        folder: a new folder for the job's file, its output and its run; the job's storage path.
        address: Ray cluster; ``None`` starts one.
        variables: of the environment, beside this process's own.
    """
    folder.mkdir(parents=True)
    (folder / "job.yaml").write_text(dump_job(job))
    address_flags = ("--address", address) if address else ()
    done = run_python([*TUNE, "--config", str(folder / "job.yaml"), *address_flags], folder / "gluetune.log", variables)
    return done, JournalReader(Storage(str(folder)).sub(NAME))


class GridRuns:
    """Runs with one configuration, each made when a comparison first needs it.

    Args:
        config: settings of the benchmark run.
    """

    def __init__(self, config: BenchmarkConfig) -> None:
        self._config = config
        self._lanes = lane_count()
        self.gluetune = cache(self._gluetune)
        self.gluetune_public = cache(self._gluetune_public)
        self.recipe = cache(self._recipe)
        self._work = cache(self._make_work)

    def loop(self, size: EncoderSize, repetition: int) -> GridRun:
        """Run a process of ``run_glue.py`` per point, one after the other, each with all cores."""
        folder = self._folder("run_glue", size, repetition)
        wall, best = 0.0, -1.0
        for number in range(len(Work.load(self._work(size)).points)):
            done = run_python(
                [
                    "-m",
                    "benchmarks.baselines.run_glue",
                    "--work",
                    str(self._work(size)),
                    "--point",
                    str(number),
                    "--output-dir",
                    str(folder / str(number)),
                ],
                folder / f"{number}.log",
                one_gpu(),
            )
            wall, best = wall + done.wall_s, max(best, *done.answer()["scores"])
        return GridRun(wall, best)

    def trainer_search(self, size: EncoderSize, repetition: int) -> GridRun:
        """Run ``Trainer.hyperparameter_search`` over all points."""
        folder = self._folder("trainer_search", size, repetition)
        done = run_python(
            [
                "-m",
                "benchmarks.baselines.trainer_search",
                "--work",
                str(self._work(size)),
                "--output-dir",
                str(folder / "trainer"),
            ],
            folder / "search.log",
            one_gpu(),
        )
        return GridRun(done.wall_s, max(done.answer()["scores"]))

    def _gluetune_public(self, size: EncoderSize, repetition: int) -> GridRun:
        return self._gluetune(size, repetition, "gluetune_public", {INTERNALS: "off"})

    def _gluetune(
        self,
        size: EncoderSize,
        repetition: int,
        contender: str = "gluetune",
        variables: Mapping[str, str] | None = None,
    ) -> GridRun:
        folder = self._folder(contender, size, repetition)
        done, journal = run_job(self._job(size, folder), folder, self._config.address, variables)
        trials = [trial for trial in journal.trials.values() if trial.evaluations]
        best = max(trial.best_score for trial in trials if trial.best_score is not None)
        summary = json.loads((folder / NAME / SUMMARY).read_text())
        return GridRun(
            done.wall_s,
            best,
            summary["lane_use"]["lanes"],
            [from_record(trial) for trial in trials],
            recorded_gaps(trials),
        )

    def _recipe(self, size: EncoderSize, repetition: int) -> GridRun:
        folder = self._folder("recipe", size, repetition)
        address_flags = ("--address", self._config.address) if self._config.address else ()
        lanes = self.gluetune(size, repetition).lanes  # which gluetune may have chosen itself
        done = run_python(
            [
                "-m",
                "benchmarks.baselines.ray_recipe",
                "--work",
                str(self._work(size)),
                "--lanes",
                str(lanes),
                "--output-dir",
                str(folder / "recipe"),
                *address_flags,
            ],
            folder / "recipe.log",
        )
        found = done.answer()["trials"]
        trials = [from_clock(times) for times in found]
        best = max(score for times in found for score in times["scores"])
        return GridRun(done.wall_s, best, lanes, trials, gaps(trials, lanes))

    def _make_work(self, size: EncoderSize) -> Path:
        folder = self._config.scratch / "grid"
        folder.mkdir(parents=True, exist_ok=True)
        return grid_work(self._job(size, folder)).save(folder / f"{size}.json")

    def _job(self, size: EncoderSize, folder: Path) -> JobConfig:
        model = compact_encoder() if size == "compact" else minilm_encoder(self._config)
        return make_job(self._config, model, folder, self._config.trials, self._lanes)

    def _folder(self, contender: str, size: str, repetition: int) -> Path:
        return self._config.scratch / "grid" / f"{contender}-{size}-{repetition}"


@cache
def grid_runs(config: BenchmarkConfig) -> GridRuns:
    """Return the runs with a configuration, shared by all comparisons of a benchmark run."""
    return GridRuns(config)


def one_gpu() -> dict[str, str]:
    """Return the environment of a contender with one trial at a time: ``Trainer`` would split batches over all GPUs."""
    return {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}


def _columns(examples: Examples) -> dict[str, list[object]]:
    assert examples.labels is not None  # chosen rows have labels
    return {**examples.columns, "label": examples.labels.tolist()}
