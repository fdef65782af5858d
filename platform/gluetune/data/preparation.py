"""From a source to the tokenised rows of one task that all its trials share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data.custom import CustomSource
from gluetune.data.encoding import EncodedRows, encode_rows
from gluetune.data.examples import DataSource, Examples, fingerprint
from gluetune.data.folder import FolderSource
from gluetune.data.hub import HubSource
from gluetune.data.splits import find_identical_splits, hold_out, labelled_eval_splits, load_labelled, stratified_sample
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.tasks import Task, get_task

TRAIN, SELECTION = "train", "selection"


@dataclass(frozen=True)
class EncodedTask:
    """One task's rows, tokenised.

    Attributes:
        task: the task's name.
        train: rows to train on.
        selection: rows to choose the winner by.
        dev: the other official rows with labels, see `labelled_eval_splits`; scored once, for the winner.
        source: where the rows come from, in words.
        synthetic: whether gluetune generated the rows, or some of them.
        fingerprints: of the rows as text, by ``train``, ``selection`` and the names of dev splits; see
            `gluetune.data.examples.fingerprint`.
        same_rows: dev splits that hold the texts of another split, by that one's name.
    """

    task: str
    train: EncodedRows
    selection: EncodedRows
    dev: dict[str, EncodedRows]
    source: str
    synthetic: bool = False
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    same_rows: Mapping[str, str] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, EncodedRows]:
        """All rows, by the names that ``fingerprints`` has."""
        return {TRAIN: self.train, SELECTION: self.selection, **self.dev}

    @cached_property
    def vocabulary(self) -> NDArray[np.int64]:
        """[tokens] ids of the tokens that a trial sees, padding included, sorted."""
        rows = (self.train, self.selection)
        return reduce(
            np.union1d,
            (np.flatnonzero(np.bincount(each.input_ids)) for each in rows),
            np.array([self.train.pad_token_id]),
        )


def open_source(config: DataConfig) -> DataSource:
    """The source that a job names.

    Raises:
        ConfigError: ``source: dir`` without ``dir``, or ``custom`` without a ``dataset`` that can be imported.
        DataError: ``dir`` is no folder.
    """
    sources: dict[str, Callable[[DataConfig], DataSource]] = {
        "synthetic": _synthetic,
        "hub": lambda config: HubSource(config.cache_dir, mirror=config.dir),
        "dir": _folder,
        "custom": _custom,
    }
    return sources[config.source](config)


def _synthetic(config: DataConfig) -> DataSource:
    from gluetune.data.synthetic_source import SyntheticSource  # imports this package

    return SyntheticSource()


def _folder(config: DataConfig) -> DataSource:
    if config.dir is None:
        raise ConfigError(
            [ConfigIssue("data.dir", "must name the GLUE folder when `data.source` is 'dir', but got none")]
        )
    return FolderSource(config.dir, train=config.train_file, validation=config.validation_file, test=config.test_file)


def _custom(config: DataConfig) -> DataSource:
    if config.dataset is None:
        rule = "must name your dataset class when `data.source` is 'custom', but got none"
        raise ConfigError([ConfigIssue("data.dataset", rule)])
    return CustomSource(config.dataset, config.dir)


@dataclass(frozen=True)
class TaskExamples:
    """One task's rows as text, chosen but not tokenised; attributes as in `EncodedTask`."""

    train: Examples
    selection: Examples
    dev: dict[str, Examples]
    source: str
    synthetic: bool
    fingerprints: Mapping[str, str]
    same_rows: Mapping[str, str]


def split_rows(task: Task, source: DataSource, config: DataConfig, seed: int) -> TaskExamples:
    """Loads, limits and parts one task's rows.

    ``max_train_samples`` counts rows trained on; held-out selection rows come on top, from the whole of train.
    ``max_eval_samples`` limits the selection rows and each dev split. Limits draw stratified random rows.

    Args:
        task: a task with a training split.
        source: where the rows come from.
        config: limits, and how the selection rows are chosen.
        seed: the job's seed; the same seed gives the same rows.

    Raises:
        ConfigError: the task has no training split.
        DataError: rows are missing, unlabelled or break their format.
    """
    if task.train is None:
        raise ConfigError(
            [
                ConfigIssue(
                    "tasks",
                    f"must name tasks with training data, but {task.name} has none; "
                    f"the model of {task.evaluated_with} answers it",
                )
            ]
        )
    train, train_labels = load_labelled(source, task, task.train)
    dev = labelled_eval_splits(task, source, config, seed)
    origins = [part.source for part in (train, *dev.values())]
    origins += [f"no {split}" for split in task.dev if split not in dev]
    selection, twins = dev[task.dev[0]], find_identical_splits(train, dev)
    if config.selection != "dev":
        rows, chosen = hold_out(train_labels, task, config, seed)
        chosen = chosen[stratified_sample(train_labels[chosen], task, config.max_eval_samples, seed)]
        selection = train.take(chosen)
        train, train_labels = train.take(rows), train_labels[rows]
    train = train.take(stratified_sample(train_labels, task, config.max_train_samples, seed))
    synthetic = any(part.synthetic for part in (train, *dev.values()))
    return TaskExamples(
        train,
        selection,
        dev,
        "; ".join(dict.fromkeys(origins)),
        synthetic,
        _split_fingerprints(train, selection, dev),
        twins,
    )


def prepare_task(
    task: Task,
    source: DataSource,
    tokenizer: PreTrainedTokenizerBase,
    config: DataConfig,
    seed: int,
) -> EncodedTask:
    """Chooses rows as `split_rows` does, and tokenises them.

    Args:
        task: a task with a training split.
        source: where the rows come from.
        tokenizer: the encoder's.
        config: limits, and how the selection rows are chosen.
        seed: the job's seed; the same seed gives the same rows.

    Raises:
        ConfigError: the task has no training split, or ``max_seq_length`` is beyond the encoder.
        DataError: rows are missing, unlabelled or break their format.
    """

    def encoded(examples: Examples) -> EncodedRows:
        return encode_rows(examples, get_task(examples.task), tokenizer, config.max_seq_length, config.truncation)

    rows = split_rows(task, source, config, seed)
    dev = {split: encoded(examples) for split, examples in rows.dev.items()}
    selection = dev[task.dev[0]] if config.selection == "dev" else encoded(rows.selection)
    return EncodedTask(
        task.name, encoded(rows.train), selection, dev, rows.source, rows.synthetic, rows.fingerprints, rows.same_rows
    )


def _split_fingerprints(train: Examples, selection: Examples, dev: Mapping[str, Examples]) -> dict[str, str]:
    """Fingerprints of all rows that a task of a search uses: by `TRAIN`, `SELECTION` and the names of dev splits."""
    return {name: fingerprint(rows) for name, rows in {TRAIN: train, SELECTION: selection, **dev}.items()}
