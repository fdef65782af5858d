"""Tables of the HTML report: they hold in text what its plots show."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gluetune.events import (
    ClassScores,
    JournalEvent,
    RequestHandled,
    RunInputs,
    TrialRecord,
    TrialStatus,
    format_epochs,
    short_name,
)
from gluetune.reporting import formatting
from gluetune.reporting.page.lane_plot import lane_spans
from gluetune.reporting.progress import busy_seconds
from gluetune.reporting.runs_view import moment
from gluetune.statistics import ExpectedBest
from gluetune.tasks.metrics import value_of_score

_NUMBER = re.compile(r"[–+-]?[\d.,]*(e[+-]?\d+)?( ?(%|s|ms|min|h|min \d+ s|h \d+ min))?")
_HASH_CHARS = 16  # of a fingerprint


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it shows.
        header: names of the columns.
        rows: the cells.
        numeric: for each column, whether its cells are numbers, which are aligned at the right.
    """

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: tuple[bool, ...] = field(init=False)

    def __post_init__(self) -> None:
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.header)
        numeric = tuple(bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells) for cells in columns)
        object.__setattr__(self, "numeric", numeric)


def trials_table(trials: Sequence[TrialRecord], metric: str, label: str) -> Table:
    """Return all trials of a task, best first, with their configurations and seeds.

    Args:
        trials: the trials, best first.
        metric: the task's primary metric.
        label: what the column of the metric is called.
    """
    fields = list(dict.fromkeys(name for trial in trials for name in trial.params))
    rows = [
        (
            trial.name,
            str(trial.status).replace("_", " "),
            formatting.ranking_metric(metric, trial.best_score),
            format_epochs(trial.best.epoch) if trial.best else "–",
            formatting.duration(busy_seconds(trial)),
            *(_value(trial.params.get(name)) for name in fields),
            str(trial.seed),
            formatting.error_line(trial.message),
        )
        for trial in trials
    ]
    header = ("trial", "status", label, "best epoch", "time", *fields, "seed", "message")
    if not any(row[-1] for row in rows):  # no trial has a message
        header, rows = header[:-1], [row[:-1] for row in rows]
    return Table(f"{len(rows):,} trials, best first", header, rows)


def _value(value: object) -> str:
    if value is None:
        return "–"
    return short_name(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def importance_table(importances: Mapping[str, float]) -> Table:
    """Return the importance of each field."""
    rows = [(name, f"{value:.0%}") for name, value in importances.items()]
    return Table("Importance of each hyperparameter", ("hyperparameter", "importance"), rows)


def expected_table(points: Sequence[ExpectedBest], metric: str, label: str) -> Table:
    """Return the curve of expected validation performance."""
    rows = []
    for point in points:
        low, high = sorted(value_of_score(metric, end) for end in (point.low, point.high))
        value = formatting.ranking_metric(metric, point.score)
        interval = f"{low:.4f} to {high:.4f}"
        rows.append((f"{point.trials:,}", formatting.duration(point.seconds), value, interval))
    header = ("trials", "training time", f"expected best {label}", "95% interval")
    return Table("Expected validation performance", header, rows)


def lanes_table(trials: Iterable[TrialRecord]) -> Table:
    """Return how long each lane trained and was idle between its first and its last trial."""
    spans = lane_spans(trials)
    rows = []
    for place, lane in enumerate(dict.fromkeys(span.lane for span in spans), 1):
        own = [span for span in spans if span.lane == lane]
        begin, end = min(span.start for span in own), max(span.end for span in own)
        busy = sum(span.end - span.start for span in own)
        idle = max(0.0, end - begin - busy)
        share = f"{idle / (end - begin):.0%}" if end > begin else "–"
        number = f"{len(own):,}"
        rows.append((f"lane {place}", lane or "–", number, formatting.duration(busy), formatting.duration(idle), share))
    header = ("lane", "name", "trials", "with trials", "idle between", "share idle")
    return Table("Lanes", header, rows)


def class_tables(classes: Mapping[str, ClassScores], thresholds: Mapping[str, float]) -> list[Table]:
    """Return the winner's scores of each class, a table for each split."""
    tables = []
    for split, scores in classes.items():
        rows = [
            (
                name,
                f"{scores.support[name]:,}",
                *map(formatting.score, (scores.precision[name], scores.recall[name], scores.f1[name])),
                *([f"{thresholds[name]:.3f}"] if name in thresholds else []),
            )
            for name in scores.support
        ]
        header = ("class", "rows", "precision", "recall", "F1", *(("threshold",) if thresholds else ()))
        tables.append(Table(f"The winner's scores of each class, {split} rows", header, rows))
    return tables


def fingerprint_table(inputs: RunInputs | None) -> Table | None:
    """Return rows and fingerprints of each split, as ``inputs.json`` has them; ``None`` before they are known."""
    if inputs is None:
        return None
    rows = [
        (task, split, f"{each.rows:,}", each.sha256[:_HASH_CHARS], each.tokens[:_HASH_CHARS])
        for task, splits in inputs.tasks.items()
        for split, each in splits.items()
    ]
    encoders = inputs.encoders or ({"encoder": inputs.encoder} if inputs.encoder else {})
    rows += [("encoder", short_name(name), "–", value[:_HASH_CHARS], "") for name, value in encoders.items()]
    header = ("task", "rows of", "rows", "SHA-256 of texts and labels", "SHA-256 of token ids")
    return Table("Fingerprints of the data, their first 16 characters; inputs.json has all", header, rows)


def requests_table(history: Iterable[JournalEvent]) -> Table | None:
    """Return the requests that other processes made to a search, and limits that resumes changed; ``None`` without.

    Args:
        history: all events of its journal, in order.
    """
    rows = [
        (moment(each.time), each.action.replace("_", " "), "accepted" if each.accepted else "refused", each.message)
        for each in history
        if isinstance(each, RequestHandled)
    ]
    header = ("time", "request", "outcome", "what the driver did, or why not")
    return Table("Requests to the search, which have changed it beside its job file", header, rows) if rows else None


def status_words(trials: Iterable[TrialRecord]) -> str:
    """Return how many trials ended in which way: ``18 trials: 12 finished, 6 pruned``."""
    counts: dict[TrialStatus, int] = {}
    for trial in trials:
        counts[trial.status] = counts.get(trial.status, 0) + 1
    parts = [f"{number:,} {status.replace('_', ' ')}" for status, number in counts.items()]
    return f"{formatting.count(sum(counts.values()), 'trial')}: {', '.join(parts)}" if parts else "no trials yet"


def sentence(line: str, names: Collection[str] = ()) -> str:
    """Return a line of the terminal as a sentence: with a capital letter, and a full stop.

    Args:
        line: the line.
        names: titles of tasks; a line that begins with one of them keeps its spelling.
    """
    first = line[:1] if line.startswith(tuple(names)) else line[:1].upper()
    return f"{first}{line[1:]}{'' if line.endswith('.') else '.'}"
