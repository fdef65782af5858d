"""The exceptions that gluetune raises on purpose, and the mistakes that they list.

The tree::

    GluetuneError
    ├── UserError                what the user can correct: one message, exit code 2, no traceback
    │   ├── ConfigError          job files, search spaces, flags: all mistakes of a file at once
    │   ├── DataError            data files: names file and line
    │   ├── ModelError           encoders, tokenizers, checkpoints
    │   ├── ClusterError         Ray addresses, resources that no cluster could give
    │   │   └── AllTrialsFailedError   a search without a trial that could be evaluated
    │   ├── StorageError         output folders and buckets
    │   │   └── FolderInUseError       another driver runs the search of a folder
    │   ├── TrackingError        the MLflow store
    │   └── BenchmarkError       a contender of a benchmark does not run
    └── TrialError               ends one trial, never a search
        ├── DivergedError            loss or score is not a number
        └── TrialOutOfMemoryError    the device's memory is exhausted

Every exception can be pickled, so that Ray passes it between processes unchanged.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


def did_you_mean(name: str, options: Iterable[str], cutoff: float = 0.65) -> str:
    """Suggest the nearest valid name as the end of a message: ``; nearest: 'cola'``, or empty text if none is near.

    A name that contains the wrong name is nearer than one with a similar spelling; letter case is ignored.

    Args:
        name: the wrong name.
        options: the valid names.
        cutoff: minimal similarity of spelling, from 0 to 1 (`difflib.SequenceMatcher.ratio`).
    """
    known = {option.lower(): option for option in options}
    word = name.lower()
    containing = [option for option in known if len(word) >= 4 and word in option]
    near = containing or difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f"; nearest: {known[near[0]]!r}" if near else ""


def did_you_mean_file(file: Path) -> str:
    """Suggest the nearest existing name for the first missing part of a file's path, as the end of a message."""
    while not file.parent.is_dir() and file.parent != file:
        file = file.parent
    return did_you_mean(file.name, sorted(path.name for path in file.parent.iterdir()), cutoff=0.5)


class GluetuneError(Exception):
    """Base class of gluetune's exceptions."""


class UserError(GluetuneError):
    """A mistake that the user can correct; the command prints one message and exits with code 2."""


KeyPath = tuple[str | int, ...]
"""Keys and list positions that lead to a value in a file, such as ``("space", "learning_rate", 0)``."""


def dotted_path(keys: KeyPath) -> str:
    """``("space", "learning_rate", 0)`` as ``space.learning_rate[0]``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


@dataclass(frozen=True, slots=True)
class ConfigIssue:
    """One mistake in a configuration.

    Attributes:
        path: dotted path of the key, such as ``training.learning_rate``, or the flag that set it; empty for the
            whole file.
        message: the rule, then the values.
        file: the file that the value stands in; ``None`` for values of flags.
        line: 1-based line in that file, where it is known.
        keys: the path as keys, by which `gluetune.config` finds the file and line, or the flag, of the value.
    """

    path: str
    message: str
    file: str | None = None
    line: int | None = None
    keys: KeyPath = field(default=(), repr=False, compare=False)

    @classmethod
    def at(cls, keys: KeyPath, message: str, file: str | None = None, line: int | None = None) -> ConfigIssue:
        """Build the mistake of a value from its keys; ``path`` is the dotted form."""
        return cls(dotted_path(keys), message, file, line, keys)

    def __str__(self) -> str:
        place = "" if self.file is None else self.file + (f":{self.line}" if self.line else "") + ": "
        return f"{place}{self.path}: {self.message}" if self.path else f"{place}{self.message}"


class ConfigError(UserError):
    """A configuration has mistakes; lists all of them.

    Args:
        issues: the mistakes, in file order.
    """

    def __init__(self, issues: Iterable[ConfigIssue]) -> None:
        self.issues = tuple(issues)
        super().__init__(self.issues)

    def __str__(self) -> str:
        return "\n".join(str(issue) for issue in self.issues)


class DataError(UserError):
    """A data file breaks its format.

    Args:
        message: the rule, then the values.
        file: the file.
        line: 1-based line in it.
    """

    def __init__(self, message: str, file: str | Path | None = None, line: int | None = None) -> None:
        self.message, self.file, self.line = message, None if file is None else str(file), line
        super().__init__(message, self.file, line)

    def __str__(self) -> str:
        return str(ConfigIssue("", self.message, self.file, self.line))


class ModelError(UserError):
    """An encoder, tokenizer or checkpoint cannot be used."""


class ClusterError(UserError):
    """The Ray cluster cannot be reached or can never have the resources that a job needs."""


class AllTrialsFailedError(ClusterError):
    """No trial of a search could be evaluated; there is nothing to resume."""


class StorageError(UserError):
    """An output folder or bucket cannot be used."""


class FolderInUseError(StorageError):
    """Another driver runs the search of a folder."""


class TrackingError(UserError):
    """The MLflow store cannot be used."""


class BenchmarkError(UserError):
    """A contender of a benchmark does not run; the message quotes its log."""


class TrialError(GluetuneError):
    """One trial failed. Its lane continues with the next one."""


class DivergedError(TrialError):
    """Loss, gradient or score is not a finite number."""


class TrialOutOfMemoryError(TrialError):
    """The device's memory is exhausted."""
