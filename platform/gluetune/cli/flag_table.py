"""The flags that are short cuts for keys of a job file, in the groups that the commands' helps show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that is a short cut for one key of the job file.

    Attributes:
        name: as it is typed.
        path: dotted path of the key.
        metavar: what its value is called in the help.
        help: one line.
        verbatim: whether the value is text as it is; otherwise it is read as YAML.
        allowed_on_resume: whether it may be given with ``--resume``: it changes where or how long a search runs, not
            what it searches.
    """

    name: str
    path: str
    metavar: str
    help: str
    verbatim: bool = False
    allowed_on_resume: bool = False


NAME = Flag("--name", "name", "NAME", "name of the run and of its folder", verbatim=True)
TASKS = Flag("--tasks", "tasks", "LIST", "task names, such as cola,sst2", verbatim=True)
SEED = Flag("--seed", "seed", "N", "seed of everything random")
SELECTION = Flag(
    "--selection",
    "data.selection",
    "NAME",
    "holdout: choose by rows held out of train; dev: by official dev; train_test_split",
    verbatim=True,
)

SEARCH = (
    NAME,
    TASKS,
    Flag("--space", "search.space", "SPACE", "name or file of a search space, such as compact_bert", verbatim=True),
    Flag("--algorithm", "search.algorithm", "NAME", "grid, random, tpe, gp, cmaes or nsga2", verbatim=True),
    Flag("--scheduler", "search.scheduler.name", "NAME", "none, asha, hyperband or median", verbatim=True),
    Flag("--num-samples", "search.num_samples", "N", "trials per task; null (default): all of a finite space"),
    Flag(
        "--time-budget-s", "search.time_budget_s", "SECONDS", "end the search after this time", allowed_on_resume=True
    ),
    SELECTION,
    SEED,
)
TRAINING = (
    NAME,
    TASKS,
    Flag("--learning-rate", "training.learning_rate", "RATE", "the highest learning rate"),
    Flag("--batch-size", "training.batch_size", "N", "rows per step, over all workers"),
    Flag("--num-train-epochs", "training.num_train_epochs", "N", "passes over the training rows"),
    Flag("--max-steps", "training.max_steps", "N", "end after so many steps; goes before --num-train-epochs"),
    Flag("--logging-steps", "training.logging_steps", "N", "log the running loss every so many steps; null: never"),
    SELECTION,
    SEED,
)
DATA_AND_MODEL = (
    Flag("--data", "data.source", "SOURCE", "synthetic (generated), hub, dir or custom", verbatim=True),
    Flag(
        "--data-dir",
        "data.dir",
        "FOLDER",
        "the official GLUE folder; implies --data dir",
        verbatim=True,
    ),
    Flag("--model-name-or-path", "model.name_or_path", "MODEL", "encoder on the hub or in a folder", verbatim=True),
    Flag("--max-seq-length", "data.max_seq_length", "N", "tokens per row"),
    Flag("--max-train-samples", "data.max_train_samples", "N", "use at most this many training rows"),
    Flag("--max-eval-samples", "data.max_eval_samples", "N", "use at most this many rows of each evaluation"),
)
WORKERS = (
    Flag("--workers-per-lane", "lanes.workers_per_lane", "N", "workers that share one trial's batches"),
    Flag("--cpus-per-worker", "lanes.cpus_per_worker", "N", "CPUs of one worker, or auto"),
    Flag("--gpus-per-worker", "lanes.gpus_per_worker", "N", "GPUs of one worker, fractions too, or auto"),
)
LANES = (
    Flag("--max-concurrent-trials", "lanes.max_concurrent_trials", "N", "lanes, or auto", allowed_on_resume=True),
    *WORKERS,
)
STORAGE = (
    Flag(
        "--storage-path",
        "storage.path",
        "PATH",
        "folder or bucket; results go to PATH/NAME",
        verbatim=True,
        allowed_on_resume=True,
    ),
    Flag("--keep-checkpoints", "storage.keep_checkpoints", "N", "best checkpoints kept per task"),
)
TRACKING = (
    Flag("--tracking-uri", "tracking.uri", "URI", "MLflow server or store", verbatim=True, allowed_on_resume=True),
    Flag("--experiment-name", "tracking.experiment", "NAME", "MLflow experiment", verbatim=True),
)
