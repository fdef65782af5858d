"""The flags of the commands: short cuts for keys of a job file, a program's own options, and the texts of its help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel

from gluetune.api.session import ACCEPT
from gluetune.config import JobConfig
from gluetune.errors import ConfigIssue

if TYPE_CHECKING:
    from gluetune.cli.flags import ParsedArguments


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


_USAGE = "%(prog)s [--config FILE | --resume NAME] [flags]"
_EPILOG = (
    "Flags win over the job file; of a flag given twice the last one counts. "
    "--set takes every key of a job file, flags are short cuts for the frequent ones."
)


@dataclass(frozen=True, slots=True)
class Option:
    """A flag of the program itself, which no job file holds.

    Attributes:
        name: as it is typed.
        metavar: what its value is called in the help; empty for a switch, which takes none.
        help: one line.
        choices: the values it takes; any text where empty.
        repeated: whether it may be given several times and all its values count.
        group: title of the group in which the help lists it; empty for that of the program's first flags.
    """

    name: str
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    repeated: bool = False
    group: str = ""

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return not self.metavar


@dataclass(frozen=True, slots=True)
class Program:
    """The flags of one command.

    Attributes:
        name: how the command is typed, such as ``gluetune tune``.
        description: what it does, in a sentence or two.
        config: the help of ``--config``; ``None`` where the program reads no job file: then it has none of
            ``--config``, ``--resume``, ``--set``, ``--dry-run`` and ``--address``.
        flags: short cuts for keys of the job file, by group.
        options: its own flags.
        positionals: arguments without flags, in their order; their names are typed nowhere.
        schema: what a job file holds.
        example: a key and a value for the help of ``--set``.
        usage: the help's first line.
        epilog: the help's last lines.
        stray: what is wrong with an argument that is no flag, before "but got".
        resumes: whether it makes a run, and so has ``--resume`` and ``--dry-run``.
        check: what else is wrong with arguments; reported along with unknown flags.
    """

    name: str
    description: str
    config: str | None
    flags: dict[str, tuple[Flag, ...]] = field(default_factory=dict, repr=False)
    options: tuple[Option, ...] = ()
    positionals: tuple[Option, ...] = ()
    schema: type[BaseModel] = JobConfig
    example: str = "training.num_train_epochs=3"
    usage: str = _USAGE
    epilog: str = _EPILOG
    stray: str = "flags must start with --"
    resumes: bool = True
    check: Callable[[ParsedArguments], Iterable[ConfigIssue]] = lambda _: ()

    @property
    def takes_job(self) -> bool:
        """Whether it reads a job file."""
        return self.config is not None

    @property
    def table(self) -> list[Flag]:
        """All short cuts."""
        return [flag for flags in self.flags.values() for flag in flags]


ACCEPT_OPTION = Option(
    ACCEPT,
    "",
    "with --resume: where the rows or the encoder have changed since the run began, set "
    "aside what it has recorded and start it anew on those that are there",
)


def accept_issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    """Yield what is wrong with `ACCEPT` among some arguments."""
    if ACCEPT in arguments.switches and arguments.resume is None:
        yield ConfigIssue(ACCEPT, "goes with --resume only: a new run starts on the rows that are there")


NAME_FLAG = Flag("--name", "name", "NAME", "name of the run and of its folder", verbatim=True)
TASKS_FLAG = Flag("--tasks", "tasks", "LIST", "task names, such as cola,sst2", verbatim=True)
SEED_FLAG = Flag("--seed", "seed", "N", "seed of everything random")
SELECTION_FLAG = Flag(
    "--selection",
    "data.selection",
    "NAME",
    "holdout: choose by rows held out of train; dev: by official dev; train_test_split; kfold: cross-validation",
    verbatim=True,
)
FOLD_FLAGS = (
    Flag("--folds", "data.folds", "K", "with --selection kfold: the number of folds"),
    Flag(
        "--final",
        "data.final",
        "NAME",
        "with --selection kfold: refit, the winner trained on all train rows; ensemble, the models of its folds",
        verbatim=True,
    ),
)

SEARCH_FLAGS = (
    NAME_FLAG,
    TASKS_FLAG,
    Flag("--space", "search.space", "SPACE", "name or file of a search space, such as compact_bert", verbatim=True),
    Flag("--spaces", "search.spaces", "auto", "the space that was published for the family of each encoder"),
    Flag("--objective", "search.objective", "LIST", "score, or score,ms_per_row for a Pareto front", verbatim=True),
    Flag("--algorithm", "search.algorithm", "NAME", "grid, random, tpe, gp, cmaes or nsga2", verbatim=True),
    Flag("--scheduler", "search.scheduler.name", "NAME", "none, asha, hyperband or median", verbatim=True),
    Flag("--num-samples", "search.num_samples", "N", "trials per task; null (default): all of a finite space"),
    Flag(
        "--time-budget-s", "search.time_budget_s", "SECONDS", "end the search after this time", allowed_on_resume=True
    ),
    SELECTION_FLAG,
    *FOLD_FLAGS,
    SEED_FLAG,
    Flag("--confirm-top", "confirm.top", "N", "train the best N configurations again with fresh seeds (3)"),
    Flag("--confirm-seeds", "confirm.seeds", "N", "number of fresh seeds of each configuration (5)"),
)
BUDGET_FLAGS = (
    Flag("--budget-gpu-hours", "search.budget.gpu_hours", "HOURS", "of all GPUs of all lanes", allowed_on_resume=True),
    Flag("--budget-cpu-hours", "search.budget.cpu_hours", "HOURS", "of all CPU cores", allowed_on_resume=True),
    Flag("--budget-seconds", "search.budget.seconds", "SECONDS", "while there are lanes", allowed_on_resume=True),
    Flag("--budget-trials", "search.budget.trials", "N", "trials of all tasks together", allowed_on_resume=True),
)
TRAINING_FLAGS = (
    NAME_FLAG,
    TASKS_FLAG,
    Flag("--learning-rate", "training.learning_rate", "RATE", "the highest learning rate"),
    Flag("--batch-size", "training.batch_size", "N", "rows per step, over all workers"),
    Flag("--num-train-epochs", "training.num_train_epochs", "N", "passes over the training rows"),
    Flag("--max-steps", "training.max_steps", "N", "end after so many steps; goes before --num-train-epochs"),
    Flag("--logging-steps", "training.logging_steps", "N", "log the running loss every so many steps; null: never"),
    SELECTION_FLAG,
    *FOLD_FLAGS,
    SEED_FLAG,
)
DATA_AND_MODEL_FLAGS = (
    Flag("--data", "data.source", "SOURCE", "synthetic (generated), hub, dir or custom", verbatim=True),
    Flag(
        "--data-dir",
        "data.dir",
        "FOLDER",
        "the official GLUE folder; implies --data dir",
        verbatim=True,
    ),
    Flag(
        "--model-name-or-path",
        "model.name_or_path",
        "MODEL",
        "encoder on the hub or in a folder; a list is searched",
        verbatim=True,
    ),
    Flag("--max-seq-length", "data.max_seq_length", "N", "tokens per row"),
    Flag("--max-train-samples", "data.max_train_samples", "N", "use at most this many training rows"),
    Flag("--max-eval-samples", "data.max_eval_samples", "N", "use at most this many rows of each evaluation"),
)
WORKER_FLAGS = (
    Flag("--workers-per-lane", "lanes.workers_per_lane", "N", "workers that share one trial's batches"),
    Flag("--cpus-per-worker", "lanes.cpus_per_worker", "N", "CPUs of one worker, or auto"),
    Flag("--gpus-per-worker", "lanes.gpus_per_worker", "N", "GPUs of one worker, fractions too, or auto"),
)
LANE_FLAGS = (
    Flag("--max-concurrent-trials", "lanes.max_concurrent_trials", "N", "lanes, or auto", allowed_on_resume=True),
    *WORKER_FLAGS,
)
STORAGE_FLAGS = (
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
TRACKING_FLAGS = (
    Flag("--tracking-uri", "tracking.uri", "URI", "MLflow server or store", verbatim=True, allowed_on_resume=True),
    Flag("--experiment-name", "tracking.experiment", "NAME", "MLflow experiment", verbatim=True),
)
