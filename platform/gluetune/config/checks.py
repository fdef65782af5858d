"""Rules between the settings of a job, and between a job and its search space."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from gluetune.config.budgets import budget_issues
from gluetune.config.data_and_model import DataConfig
from gluetune.config.encoder_spaces import encoder_issues
from gluetune.config.equivalence import COMPUTATION_FIELDS, unused_fields, without_idle_fields
from gluetune.config.job import JobConfig
from gluetune.config.loss_checks import loss_issues
from gluetune.config.own_task_checks import own_task_issues
from gluetune.config.space import Choice, Distribution, SearchSpace, Value, finite_values
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import format_value
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean_file
from gluetune.tasks import TASKS


def resolve_training(config: JobConfig, space: SearchSpace, params: dict[str, Value] | None = None) -> TrainingConfig:
    """Return the training settings of one trial of a job.

    Args:
        config: the job; its training fields go before those of the space.
        space: the search space; its fixed training fields go before the defaults.
        params: one configuration of the space, which goes before both; ``None`` for the fields that do not vary.
    """
    return space.resolve(config.training, params)


def check_fit(config: JobConfig, space: SearchSpace) -> None:
    """Check that a job's algorithm, scheduler and budget suit its search space.

    Raises:
        ConfigError: all rules that do not hold.
    """
    if issues := space_issues(config, space):
        raise ConfigError(issues)


def job_issues(config: JobConfig) -> list[ConfigIssue]:
    """Find the rules between settings of one job that do not hold."""
    found = [*_source(config.data), *_one_task(config), *_files(config)] if config.reads_data else []
    found += [*own_task_issues(config), *encoder_issues(config), *budget_issues(config)]
    return [*found, *_cross_validation(config)]


def _cross_validation(config: JobConfig) -> Iterator[ConfigIssue]:
    """Check that neither a scheduler nor a confirmation is combined with a cross-validation.

    Its trials have several curves, and it has no selection rows by which a fresh seed could choose its best weights.
    """
    if config.data.selection == "kfold" and (scheduler := config.search.scheduler.name) != "none":
        yield ConfigIssue.at(
            ("search", "scheduler", "name"),
            "must be none with data.selection kfold (--selection), which itself stops a configuration after a fold "
            f"where it cannot win any more, but got {scheduler}",
        )
    if config.data.selection == "kfold" and config.confirm is not None:
        yield ConfigIssue.at(
            ("confirm",),
            "must be null with data.selection kfold (--selection), which has no rows of its own that choose the best "
            "weights of a fresh seed",
        )


def _one_task(config: JobConfig) -> Iterator[ConfigIssue]:
    if config.data.source == "custom" and len(known := _known(config)) > 1:
        yield ConfigIssue.at(("data", "dataset"), f"must be given for one task only, but got {', '.join(known)}")


def _known(config: JobConfig) -> list[str]:
    """Return the tasks whose rows ``data.source`` gives."""
    return [name for name in config.tasks if name not in config.own_tasks]


def _source(data: DataConfig) -> Iterator[ConfigIssue]:
    """Check that the source has the settings that it needs, and none that it does not use."""
    source, folder = data.source, data.dir
    if source == "dir" and folder is None:
        yield ConfigIssue.at(("data", "source"), "dir needs data.dir (--data-dir), the official GLUE folder")
    if source == "custom" and data.dataset is None:
        yield ConfigIssue.at(
            ("data", "source"), "custom needs data.dataset, your own dataset class (package.module:Class)"
        )
    if source != "synthetic":
        if folder is not None and not Path(folder).expanduser().is_dir():
            yield ConfigIssue.at(("data", "dir"), f"must be an existing folder, but got {format_value(folder)}")
    elif folder is not None:
        yield ConfigIssue.at(
            ("data", "dir"), f"must not be given unless data.source (--data) is dir, hub or custom, but it is {source}"
        )
    if data.dataset is not None and split_dataset(data.dataset) is None:
        yield ConfigIssue.at(
            ("data", "dataset"), f"must be package.module:Class or path/to/file.py:Class, but got {data.dataset!r}"
        )
    elif source != "custom" and data.dataset is not None:
        yield ConfigIssue.at(
            ("data", "dataset"), f"must not be given unless data.source (--data) is custom, but it is {source}"
        )


def split_dataset(path: str) -> tuple[str, str] | None:
    """Split ``package.module:Class`` or ``file.py:Class`` at the colon; return ``None`` for anything else."""
    module, _, name = path.rpartition(":")
    return (module, name) if module and name.isidentifier() else None


_FILES = ("train_file", "validation_file", "test_file")


def _files(config: JobConfig) -> Iterator[ConfigIssue]:
    """Check files that replace those of one task in a folder; generated data ignore them."""
    data = config.data
    for field in _FILES if data.source != "synthetic" else ():
        name = getattr(data, field)
        if name is None:
            continue
        if data.source != "dir":
            yield ConfigIssue.at(
                ("data", field), f"must not be given unless data.source (--data) is dir, but it is {data.source}"
            )
        elif len(known := _known(config)) > 1:
            yield ConfigIssue.at(("data", field), f"must be given for one task only, but got {', '.join(known)}")
        elif data.dir is not None and (file := _missing_file(data.dir, name)) is not None:
            yield ConfigIssue.at(
                ("data", field), f"must be a file, but there is no {str(file)!r}{did_you_mean_file(file)}"
            )


def _missing_file(folder: str, name: str) -> Path | None:
    """Return the file's path where the folder exists but the file does not."""
    home = Path(folder).expanduser()
    file = home / Path(name).expanduser()
    return file if home.is_dir() and not file.is_file() else None


def space_issues(config: JobConfig, space: SearchSpace) -> list[ConfigIssue]:
    """Find the rules between a job and its search space that do not hold."""
    found = [issue for part in space.parts.values() for issue in _part_issues(config, part)]
    found += _unused_training_fields(config, space)
    used = without_idle_fields(space, config.training)
    return list(
        dict.fromkeys([*found, *_cmaes(config, used), *_budget(config, used)])
    )  # parts that are equal have equal issues


def _part_issues(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    """Find the rules between a job and the space of one encoder that do not hold."""
    yield from _set_and_searched(config, space)
    yield from _unsearchable_fields(space)
    yield from _losses(config, space)
    yield from _missing_package(config, space)
    yield from _grid(config, without_idle_fields(space, config.training))
    yield from _scheduler(config, space)


def _set_and_searched(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    for field in space.space:
        if field in config.training.model_fields_set:
            yield ConfigIssue.at(("training", field), f"must not be set, because search space {space.name!r} varies it")


def _unused_training_fields(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    """Find training fields that the job sets but no encoder's trials use; zero and null switch a setting off."""
    reasons = [unused_fields(part, config.training) for part in space.parts.values()]
    for field, why in reasons[0].items():
        given = field in config.training.model_fields_set and getattr(config.training, field)
        if given and all(each[field] for each in reasons):
            yield ConfigIssue.at(("training", field), f"must not be given where it has no effect: {why}")


def _unsearchable_fields(space: SearchSpace) -> Iterator[ConfigIssue]:
    """Find searched fields that must not vary in any job; those without effect in this one are not searched."""
    keys, subject = ("search", "space"), f"search space {space.name!r}"
    for field in space.space:
        if field in COMPUTATION_FIELDS:
            yield ConfigIssue.at(
                keys,
                f"{subject} must not vary {field}, which says how a trial is computed, not what is "
                f"trained; set training.{field} to one value",
            )
    precision = space.space.get("bf16")
    if isinstance(precision, Choice) and len(precision.values) > 1 and "auto" in precision.values:
        yield ConfigIssue.at(
            keys,
            f"{subject} must not have auto among the values of bf16: it is true or false, by what the "
            "workers' processors can do",
        )


def _losses(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    """Check the tasks whose labels are known; those of the user's own files are checked once they are read."""
    for task in (TASKS[name] for name in config.tasks if name in TASKS):
        yield from loss_issues(task, space, config.training)


def _missing_package(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    """Find the package that adapters need, where it is not installed here, before anything is started."""
    searched = space.space.get("adapter")
    values = searched.values if isinstance(searched, Choice) else (space.resolve(config.training).adapter,)
    if "lora" in values and find_spec("peft") is None:
        keys = ("training", "adapter") if searched is None else ("search", "space")
        yield ConfigIssue.at(
            keys, "adapter lora needs the package peft, which is not installed: pip install 'gluetune[lora]'"
        )


def _grid(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    keys = ("search", "algorithm")
    endless = [field for field, distribution in space.space.items() if finite_values(distribution) is None]
    if config.search.algorithm == "grid" and endless:
        yield ConfigIssue.at(
            keys,
            f"grid needs a finite search space, but {space.name!r} is not ({', '.join(endless)}); "
            "use random, tpe, gp, cmaes or nsga2",
        )


def _cmaes(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    """Check that CMA-ES has a field to adapt: one with numbers, which all encoders have with the same values."""
    first, *others = space.parts.values()
    shared = {name: spec for name, spec in first.space.items() if all(part.space.get(name) == spec for part in others)}
    if config.search.algorithm != "cmaes" or any(map(_numeric, shared.values())):
        return
    keys, rule = ("search", "algorithm"), "cmaes needs a field with numbers"
    if others:
        rule += f" that all encoders have with the same values, but search space {space.name!r} has none; use tpe"
        yield ConfigIssue.at(keys, rule)
    else:
        names = ", ".join(space.space)
        rule += f", but search space {space.name!r} has choices between names only ({names})"
        yield ConfigIssue.at(keys, f"{rule}; use grid, random, tpe, gp or nsga2")


def _numeric(distribution: Distribution) -> bool:
    """Whether the values are numbers; choices between numbers count."""
    values = distribution.values if isinstance(distribution, Choice) else ()
    return not any(isinstance(value, bool | str) for value in values)


def _budget(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    search = config.search
    limited = search.num_samples is not None or search.time_budget_s is not None or bool(search.budget.limits)
    if space.size is None and not limited and search.algorithm != "grid":
        yield ConfigIssue.at(
            ("search", "num_samples"),
            f"num_samples, time_budget_s or a budget must be given, because search space {space.name!r} is not finite",
        )


def _scheduler(config: JobConfig, space: SearchSpace) -> Iterator[ConfigIssue]:
    """Check that a trial has an evaluation after the grace period and before its last one.

    Schedulers count epochs; the number of epochs in ``max_steps`` depends on each trial's data and batch size.
    """
    scheduler, fixed = config.search.scheduler, space.resolve(config.training)
    if scheduler.name == "none":
        return
    if fixed.max_steps is not None or "max_steps" in space.space:
        steps = "searched" if "max_steps" in space.space else fixed.max_steps
        yield ConfigIssue.at(
            ("search", "scheduler", "name"),
            f"{scheduler.name} counts epochs, so max_steps must not be given with it, but got "
            f"(max_steps={steps}); give num_train_epochs, which may be a fraction",
        )
        return
    epochs = space.largest("num_train_epochs", fixed.num_train_epochs)
    evaluations = space.largest("evals_per_epoch", fixed.evals_per_epoch)
    if scheduler.grace_epochs >= epochs:
        yield ConfigIssue.at(
            ("search", "scheduler", "grace_epochs"),
            f"`grace_epochs < num_train_epochs` must hold, but got (grace_epochs={scheduler.grace_epochs:g}, "
            f"num_train_epochs={epochs:g})",
        )
    elif epochs * evaluations <= 1:
        yield ConfigIssue.at(
            ("search", "scheduler", "name"),
            f"{scheduler.name} needs more than one evaluation in a trial, but got "
            f"(num_train_epochs={epochs:g}, evals_per_epoch={evaluations:g})",
        )
