"""Preparation of the rows of a task: load them, split them, tokenize them. All trials of the task share the result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data.encoding import EncodedRows, encode_rows
from gluetune.data.examples import DataSource, Examples, examples_fingerprint
from gluetune.data.folds import FoldIds, RowView, assign_folds
from gluetune.data.splits import find_identical_splits, hold_out, labelled_eval_splits, load_labelled, stratified_sample
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.tasks import Task, scored_task

if TYPE_CHECKING:
    from gluetune.data.card import DataCard

TRAIN, SELECTION = "train", "selection"
"""Names of the train rows and the selection rows among the splits of a prepared task."""

SAMPLES = 3
"""Number of a task's rows that are kept as text."""


@dataclass(frozen=True)
class EncodedTask:
    """The tokenized rows of one task.

    Attributes:
        task: the task.
        train: rows that trials train on.
        selection: rows that trials are scored on during a search; they choose the winner.
        dev: the rows with labels that only the winner is scored on, once: the official ones that
            `labelled_eval_splits` loads; of a task of the user's own files those of
            validation and test.
        source: where the rows come from, for people to read.
        synthetic: whether gluetune generated some or all of the rows.
        fingerprints: `gluetune.data.examples.examples_fingerprint` of the rows as text, by ``train``, ``selection`` and
            the names of the dev splits.
        same_rows: name of the split whose texts another split repeats, by the name of the repeating split.
        card: the data card of a task of the user's own.
        samples: the texts of the first `SAMPLES` selection rows, by column.
        folds: the fold of each train row, for a cross-validation: the selection rows are then the train rows, each of
            which is scored by the model of its fold, which was trained on all others.
    """

    task: Task
    train: EncodedRows
    selection: EncodedRows
    dev: dict[str, EncodedRows]
    source: str
    synthetic: bool = False
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    same_rows: Mapping[str, str] = field(default_factory=dict)
    card: DataCard | None = None
    samples: Mapping[str, list[str]] = field(default_factory=dict)
    folds: FoldIds | None = None

    @property
    def fold_count(self) -> int:
        """Number of folds; 0 without cross-validation."""
        return 0 if self.folds is None else int(self.folds.max()) + 1

    def of_fold(self, number: int) -> EncodedTask:
        """Return the rows of one fold of a cross-validation, without a copy of their tokens.

        Args:
            number: the fold, counted from 1: its rows become the selection rows, all others the train rows.
        """
        assert self.folds is not None
        inside = self.folds == number - 1
        train, selection = (RowView.of(self.train, np.flatnonzero(rows)) for rows in (~inside, inside))
        return replace(self, train=train, selection=selection, folds=None)

    @property
    def splits(self) -> dict[str, EncodedRows]:
        """All rows, by the names that ``fingerprints`` uses."""
        return {TRAIN: self.train, SELECTION: self.selection, **self.dev}

    @cached_property
    def vocabulary(self) -> NDArray[np.int64]:
        """[tokens] sorted ids of the tokens that occur in the train and selection rows, and of the padding token."""
        rows = (self.train, self.selection)
        return reduce(
            np.union1d,
            (np.flatnonzero(np.bincount(each.input_ids)) for each in rows),
            np.array([self.train.pad_token_id]),
        )


@dataclass(frozen=True)
class TaskExamples:
    """The rows of one task as text, split but not yet tokenized; the attributes are those of `EncodedTask`."""

    train: Examples
    selection: Examples
    dev: dict[str, Examples]
    source: str
    synthetic: bool
    fingerprints: Mapping[str, str]
    same_rows: Mapping[str, str]
    folds: FoldIds | None = None


def selects_on_dev(task: Task, source: DataSource, config: DataConfig) -> bool:
    """Return whether trials are ranked by the rows of the first dev split, instead of rows held out of train.

    Args:
        task: the task.
        source: the source of its rows.
        config: ``selection`` decides, but tasks of the user's own that have validation rows are ranked by these, except
            with ``kfold``.

    Raises:
        ConfigError: ``selection`` is ``dev``, but the task has no dev split.
    """
    if config.selection == "dev" and not task.dev:
        message = f"must not be dev for {task.name}, which has no validation rows, but got dev"
        raise ConfigError([ConfigIssue("data.selection", message)])
    return config.selection == "dev" or (source.own and bool(task.dev) and config.selection != "kfold")


def split_rows(task: Task, source: DataSource, config: DataConfig, seed: int) -> TaskExamples:
    """Load the rows of one task, split them and apply the limits.

    ``max_train_samples`` limits the rows to train on. Selection rows are held out of all train rows and do not count
    towards this limit. ``max_eval_samples`` limits the selection rows and each dev split. Limits draw stratified random
    samples.

    A task of the user's own files that has a validation split is chosen by its rows, unless ``selection`` is ``kfold``.
    With ``kfold`` all train rows that ``max_train_samples`` leaves are also selection rows.

    Args:
        task: a task with a train split.
        source: the source that the rows are loaded from.
        config: limits, and how the selection rows are chosen.
        seed: seed of the job; the same seed gives the same rows.

    Raises:
        ConfigError: the task has no train split.
        DataError: a split is missing or has no labels, or a row has the wrong format.
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
    identical = find_identical_splits(train, dev)
    folds = None
    if config.selection == "kfold":
        train = train.take(stratified_sample(train_labels, task, config.max_train_samples, seed))
        assert train.labels is not None
        folds = assign_folds(train.labels, task, config, seed, train.groups)
        selection, train_labels = train, train.labels
    elif selects_on_dev(task, source, config):
        selection = dev[task.dev[0]]
    else:
        rows, chosen = hold_out(train_labels, task, config, seed, train.groups)
        chosen = chosen[stratified_sample(train_labels[chosen], task, config.max_eval_samples, seed)]
        selection = train.take(chosen)
        train, train_labels = train.take(rows), train_labels[rows]
    if folds is None:
        train = train.take(stratified_sample(train_labels, task, config.max_train_samples, seed))
    synthetic = any(part.synthetic for part in (train, *dev.values()))
    return TaskExamples(
        train,
        selection,
        dev,
        "; ".join(dict.fromkeys(origins)),
        synthetic,
        _split_fingerprints(train, selection, dev, folds),
        identical,
        folds,
    )


class Tokenization(NamedTuple):
    """How the rows of a task become tokens.

    Attributes:
        tokenizer: the tokenizer of an encoder.
        max_seq_length: number of tokens that longer rows are cut to.
    """

    tokenizer: PreTrainedTokenizerBase
    max_seq_length: int


def prepare_task(
    task: Task,
    source: DataSource,
    tokenizer: PreTrainedTokenizerBase,
    config: DataConfig,
    seed: int,
) -> EncodedTask:
    """Load, split and tokenize the rows of one task.

    Args:
        task: a task with a train split.
        source: the source that the rows are loaded from.
        tokenizer: the tokenizer of the encoder.
        config: limits, and how the selection rows are chosen.
        seed: seed of the job; the same seed gives the same rows.

    Returns:
        The rows that `split_rows` chooses, tokenized; and of a task of the user's own, its data card.

    Raises:
        ConfigError: the task has no train split, or ``max_seq_length`` exceeds what the encoder accepts.
        DataError: a split is missing or has no labels, or a row has the wrong format.
        ModelError: the tokenizer has no padding token, or token types that gluetune cannot represent.
    """
    (encoded,) = prepare_for_tokenizers(task, source, [Tokenization(tokenizer, config.max_seq_length)], config, seed)
    return encoded


def prepare_for_tokenizers(
    task: Task, source: DataSource, tokenizations: Iterable[Tokenization], config: DataConfig, seed: int
) -> list[EncodedTask]:
    """Load and split the rows of one task once, and tokenize them for several encoders.

    Args:
        task: a task with a train split.
        source: the source that the rows are loaded from.
        tokenizations: the tokenizers, each with its limit, which goes before that of ``config``.
        config: limits, and how the selection rows are chosen.
        seed: seed of the job; the same seed gives the same rows.

    Returns:
        What `prepare_task` returns, by tokenizer; the first has the data card.

    Raises:
        ConfigError: as `prepare_task`.
        DataError: as `prepare_task`.
        ModelError: as `prepare_task`.
    """
    rows = split_rows(task, source, config, seed)
    prepared: list[EncodedTask] = []
    for each in tokenizations:
        limited = config.model_copy(update={"max_seq_length": each.max_seq_length})
        prepared.append(_tokenize(task, source, rows, each.tokenizer, limited, with_card=not prepared))
    return prepared


def _tokenize(
    task: Task,
    source: DataSource,
    rows: TaskExamples,
    tokenizer: PreTrainedTokenizerBase,
    config: DataConfig,
    *,
    with_card: bool,
) -> EncodedTask:
    def encoded(examples: Examples) -> EncodedRows:
        scored = scored_task(task, examples.task)
        return encode_rows(examples, scored, tokenizer, config.max_seq_length, config.truncation)

    dev = {split: encoded(examples) for split, examples in rows.dev.items()}
    on_dev = selects_on_dev(task, source, config)
    train = encoded(rows.train)
    selection = train if rows.folds is not None else dev[task.dev[0]] if on_dev else encoded(rows.selection)
    card = None
    if source.own and with_card:
        others = [split for split in dev if not (on_dev and split == task.dev[0])]
        texts = {TRAIN: rows.train, SELECTION: rows.selection} | {split: rows.dev[split] for split in others}
        tokens = {TRAIN: train, SELECTION: selection} | {split: dev[split] for split in others}
        if rows.folds is not None:  # the selection rows are the train rows
            del texts[SELECTION], tokens[SELECTION]
        from gluetune.data.card import make_card  # with pyarrow; only tasks of the user's own need it

        card = make_card(task, texts, tokens, tokenizer, config, source.notes(task))
    return EncodedTask(
        task,
        train,
        selection,
        dev,
        rows.source,
        rows.synthetic,
        rows.fingerprints,
        rows.same_rows,
        card,
        {name: list(texts[:SAMPLES]) for name, texts in rows.selection.columns.items()},
        rows.folds,
    )


def _split_fingerprints(
    train: Examples, selection: Examples, dev: Mapping[str, Examples], folds: FoldIds | None
) -> dict[str, str]:
    """Return the fingerprints of all rows by `TRAIN`, `SELECTION` and the names of the dev splits.

    That of the selection rows of a cross-validation depends on the folds too: scores of other folds do not compare.
    """
    found = {name: examples_fingerprint(rows) for name, rows in {TRAIN: train, SELECTION: selection, **dev}.items()}
    if folds is not None:
        found[SELECTION] = hashlib.sha256(found[SELECTION].encode() + folds.astype("<i2").tobytes()).hexdigest()
    return found
