"""The data card of a task: what its rows are, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data.encoding import EncodedRows
from gluetune.data.examples import Examples
from gluetune.data.leakage import Overlap, count_duplicates, count_overlap
from gluetune.data.splits import shared_groups
from gluetune.data.table import counted
from gluetune.tasks import Task
from gluetune.tasks.metrics import baseline_score

PERCENTILES = (5, 50, 95, 100)
_MAX_MEASURED = 10_000  # rows at the token limit that are tokenized again without it
_SHOWN_CLASSES = 10  # on the terminal
_CONSTANT = {
    "single_label": "the most frequent class",
    "multi_label": "the classes of most rows",
    "regression": "the mean",
}


@dataclass(frozen=True)
class SplitCard:
    """The rows of one split.

    Attributes:
        rows: number of rows.
        source: where they come from.
        classes: number of rows by class, in the order of the class ids; of a multi-label task a row counts for each of
            its classes. Empty for a regression and for rows without labels.
        numbers: minimum, mean, standard deviation and maximum of a regression's labels, by these names; else empty.
        tokens: percentiles of the number of tokens per row, special tokens included and before truncation, by the
            percentage.
        cut: number of rows that the token limit cuts; if more than 10,000 rows reach it, estimated from a sample.
        duplicates: rows whose texts an earlier row of the split has.
        conflicts: those of them that have another label than the first such row.
    """

    rows: int
    source: str
    classes: dict[str, int]
    numbers: dict[str, float]
    tokens: dict[str, int]
    cut: int
    duplicates: int
    conflicts: int


@dataclass(frozen=True)
class DataCard:
    """What the rows of a task are.

    Attributes:
        task: name of the task.
        problem: what the labels are: ``single_label``, ``multi_label`` or ``regression``.
        text: the text columns.
        max_seq_length: the token limit.
        splits: the rows by split, ``train`` and ``selection`` first.
        leaks: what other splits share with train, by split.
        metric: the metric that ranks.
        baseline: its value on the selection rows of a constant prediction, as
            `gluetune.tasks.metrics.baseline_score` defines it; ``None`` if that is not finite.
        notes: what was done to the rows, and what deserves attention, one sentence each.
    """

    task: str
    problem: str
    text: tuple[str, ...]
    max_seq_length: int
    splits: dict[str, SplitCard]
    leaks: dict[str, Overlap]
    metric: str
    baseline: float | None
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the card as values that JSON has."""
        return asdict(self) | {"text": list(self.text), "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataCard:
        """Build a card from what `to_dict` returned."""
        return cls(
            **{
                **values,
                "text": tuple(values["text"]),
                "notes": tuple(values["notes"]),
                "splits": {name: SplitCard(**split) for name, split in values["splits"].items()},
                "leaks": {name: Overlap(**leak) for name, leak in values["leaks"].items()},
            }
        )

    def lines(self) -> list[str]:
        """Return the card as lines for a terminal."""
        shown = [
            f"{self.task}: {self.problem}; text: {' + '.join(self.text)}; ranked by {self.metric}{self._baseline()}"
        ]
        for name, split in self.splits.items():
            shown.append(
                f"  {name}: {counted(split.rows, 'row')}{_labels(split)}; {_lengths(split, self.max_seq_length)}"
            )
        shown += [f"  {note}" for note in (*self._warnings(), *self.notes)]
        return shown

    def to_markdown(self, *, level: int = 2, title: bool = True, sources: bool = True) -> str:
        """Return the card as Markdown.

        Args:
            level: number of ``#`` before the headings of its parts.
            title: whether its own heading comes first.
            sources: whether to name the files and datasets that the rows come from.
        """
        mark = "#" * level
        head = ["split", "rows", *(f"tokens p{each}" for each in PERCENTILES), "cut", "duplicates"]
        table = [head, ["---"] * len(head)]
        for name, split in self.splits.items():
            lengths = [f"{split.tokens[str(each)]:,}" for each in PERCENTILES]
            table.append([name, f"{split.rows:,}", *lengths, f"{split.cut:,}", f"{split.duplicates:,}"])
        parts = [
            *([f"{mark[1:]} Data of {_escape(self.task)}"] if title else []),
            f"{self.problem}; text: {', '.join(f'`{name}`' for name in self.text)}; "
            f"ranked by {self.metric}{self._baseline()}; at most {self.max_seq_length} tokens per row.",
            _table(table),
            *self._label_tables(mark),
        ]
        if found := [*self._warnings(), *self.notes]:
            parts += [f"{mark} Notes", "\n".join(f"- {_escape(note)}" for note in found)]
        if sources:
            places = [f"- {name}: {_escape(split.source)}" for name, split in self.splits.items()]
            parts += [f"{mark} Sources", "\n".join(places)]
        return "\n\n".join(parts) + "\n"

    def _baseline(self) -> str:
        return "" if self.baseline is None else f"; always {_CONSTANT[self.problem]}: {self.baseline:.3f}"

    def _label_tables(self, mark: str) -> list[str]:
        names = list(self.splits)
        if self.problem == "regression":
            kinds = ("minimum", "mean", "deviation", "maximum")
            rows = [
                [kind, *(f"{split.numbers.get(kind, np.nan):.6g}" for split in self.splits.values())] for kind in kinds
            ]
            return [f"{mark} Labels", _table([["", *names], ["---"] * (1 + len(names)), *rows])]
        classes = self.splits["train"].classes
        rows = [
            [
                f"`{_escape(name)}`",
                *(f"{split.classes.get(name, 0):,}" if split.classes else "" for split in self.splits.values()),
            ]
            for name in classes
        ]
        return [f"{mark} Classes", _table([["class", *names], ["---"] * (1 + len(names)), *rows])]

    def _warnings(self) -> list[str]:
        found = []
        for name, leak in self.leaks.items():
            rows = counted(self.splits[name].rows, f"{name} row")
            if leak.identical:
                found.append(f"{leak.identical:,} of {rows} with the same texts as a train row")
            if leak.near:
                least = "" if leak.complete else "at least "
                found.append(f"{least}{leak.near:,} of {rows} near-duplicates of a train row")
            if leak.groups:
                found.append(f"{counted(leak.groups, 'group')} in both train and {name}: scores on {name} are too high")
        for name, split in self.splits.items():
            if split.conflicts:
                found.append(
                    f"{counted(split.conflicts, f'{name} row')} with the texts but not the label of another row"
                )
        return found


def make_card(
    task: Task,
    rows: Mapping[str, Examples],
    encoded: Mapping[str, EncodedRows],
    tokenizer: PreTrainedTokenizerBase,
    config: DataConfig,
    notes: Sequence[str] = (),
) -> DataCard:
    """Describe the rows of a task.

    Args:
        task: the task.
        rows: rows by split; ``train`` and ``selection`` first. Without ``selection`` the train rows choose, by a
            cross-validation.
        encoded: the same rows, tokenized.
        tokenizer: the tokenizer that tokenized them.
        config: the token limit.
        notes: further sentences, such as how the problem was decided.
    """
    limit = config.max_seq_length
    measured = {name: _full_lengths(task, rows[name], encoded[name], tokenizer, config) for name in rows}
    splits = {name: _split_card(task, each, *measured[name]) for name, each in rows.items()}
    train = rows["train"]
    leaks = {name: _leak(train, each) for name, each in rows.items() if name != "train"}
    selection = rows.get("selection", train).labels
    baseline = np.nan if selection is None else baseline_score(task, selection)
    every = dict.fromkeys([*notes, *(note for each in rows.values() for note in each.notes)])
    return DataCard(
        task.name,
        task.problem,
        task.columns,
        limit,
        splits,
        leaks,
        task.primary,
        baseline if np.isfinite(baseline) else None,
        tuple(every),
    )


def _split_card(task: Task, rows: Examples, lengths: NDArray[np.int64], cut: int) -> SplitCard:
    duplicates, conflicts = count_duplicates(rows)
    values = np.percentile(lengths, PERCENTILES, method="inverted_cdf")
    tokens = {str(each): int(value) for each, value in zip(PERCENTILES, values, strict=True)}
    classes, numbers = _label_counts(task, rows)
    return SplitCard(len(rows), rows.source, classes, numbers, tokens, cut, duplicates, conflicts)


def _label_counts(task: Task, rows: Examples) -> tuple[dict[str, int], dict[str, float]]:
    labels = rows.labels
    if labels is None:
        return {}, {}
    if task.regression:
        values = labels.astype(np.float64)
        figures = (values.min(), values.mean(), values.std(), values.max())
        return {}, dict(zip(("minimum", "mean", "deviation", "maximum"), map(float, figures), strict=True))
    counts = labels.sum(axis=0) if task.multi_label else np.bincount(labels, minlength=task.num_labels)
    return {name: int(count) for name, count in zip(task.labels, counts, strict=True)}, {}


def _full_lengths(
    task: Task, rows: Examples, encoded: EncodedRows, tokenizer: PreTrainedTokenizerBase, config: DataConfig
) -> tuple[NDArray[np.int64], int]:
    """Return [rows] numbers of tokens before truncation, and how many rows are cut."""
    lengths, limit = encoded.lengths.copy(), config.max_seq_length
    full = np.flatnonzero(lengths >= limit)
    if len(full) == 0:
        return lengths, 0
    sample = full[:: -(-len(full) // _MAX_MEASURED)]
    measured = _untruncated(task, rows.take(sample), tokenizer)
    lengths[full] = np.resize(np.sort(measured), len(full))
    lengths[sample] = measured
    return lengths, round(float(np.mean(measured > limit)) * len(full))


def _untruncated(task: Task, rows: Examples, tokenizer: PreTrainedTokenizerBase) -> NDArray[np.int64]:
    texts = [list(rows.columns[name]) for name in task.columns]
    call = tokenizer(*texts, truncation=False, return_attention_mask=False, return_token_type_ids=False, verbose=False)
    return np.fromiter(map(len, call["input_ids"]), np.int64, len(rows))


def _leak(train: Examples, rows: Examples) -> Overlap:
    found = count_overlap(train, rows)
    if train.groups is None or rows.groups is None:
        return found
    return replace(found, groups=shared_groups(train.groups, rows.groups))


def _labels(split: SplitCard) -> str:
    if split.numbers:
        return " ({minimum:.4g} to {maximum:.4g}, mean {mean:.4g})".format(**split.numbers)
    if not split.classes:
        return " without labels"
    ordered = sorted(split.classes.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {count:,}" for name, count in ordered[:_SHOWN_CLASSES])
    rest = [count for _, count in ordered[_SHOWN_CLASSES:]]
    if not rest:
        return f" ({shown})"
    counts = f"{rest[-1]:,}" if rest[0] == rest[-1] else f"{rest[-1]:,} to {rest[0]:,}"
    each = " each" if len(rest) > 1 else ""
    return f" ({shown}, and {len(rest)} more with {counts}{each})"


def _lengths(split: SplitCard, limit: int) -> str:
    cut = f", {counted(split.cut, 'row')} cut at {limit}" if split.cut else ""
    return f"tokens median {split.tokens['50']:,}, 95% {split.tokens['95']:,}, longest {split.tokens['100']:,}{cut}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
