"""Settings that only one choice of another setting uses, such as ``brackets`` beside scheduler ``hyperband``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gluetune.errors import ConfigIssue, KeyPath


@dataclass(frozen=True)
class Options:
    """Which settings of a section each choice uses.

    Attributes:
        section: path of the section.
        chooser: the key in it that makes the choice.
        default: the choice where the key is not given.
        used: the settings that each choice uses. Others of the section go with every choice. Where the choice is
            between a value and none, the key ``""`` stands for none and ``"*"`` for any value.
    """

    section: KeyPath
    chooser: str
    default: str
    used: Mapping[str, frozenset[str]]

    def unused(self, choice: Any) -> frozenset[str]:
        """Settings that a choice does not use; none where it is not a known one."""
        kind = choice if isinstance(choice, str) and choice in self.used else "*" if choice else ""
        return frozenset().union(*self.used.values()) - self.used[kind] if kind in self.used else frozenset()

    def refusal(self, setting: str, choice: Any) -> str:
        """What is wrong with a setting that a choice does not use, and which choices do."""
        users = [{"": "null", "*": "a value"}.get(other, other) for other, used in self.used.items() if setting in used]
        return (
            f"must not be given with {self.chooser} {choice or 'null'}, which does not use it; it goes with "
            f"{' or '.join(users)}"
        )


def _options(section: KeyPath, chooser: str, default: str, **used: tuple[str, ...]) -> Options:
    return Options(section, chooser, default, {choice: frozenset(settings) for choice, settings in used.items()})


SCHEDULER = _options(
    ("search", "scheduler"),
    "name",
    "none",
    none=(),
    asha=("grace_epochs", "reduction_factor", "min_trials"),
    hyperband=("grace_epochs", "reduction_factor", "min_trials", "brackets"),
    median=("grace_epochs", "min_trials"),
)
JOB_OPTIONS = (
    SCHEDULER,
    _options(
        ("data",),
        "selection",
        "holdout",
        holdout=("selection_fraction", "selection_max_rows", "selection_seed"),
        train_test_split=("selection_fraction", "selection_seed"),
        dev=(),
    ),
)
PRETRAINING_OPTIONS = (
    _options(
        ("text",),
        "source",
        "synthetic",
        synthetic=(),
        files=("path", "validation_path", "format"),
        hub=("dataset", "name", "split", "validation_split", "column", "cache_dir", "format"),
    ),
    Options(("tokenizer",), "name_or_path", "", {"": frozenset({"vocab_size", "do_lower_case"}), "*": frozenset()}),
)


def unused_options(tree: Mapping[str, Any], known: Iterable[Options]) -> Iterator[ConfigIssue]:
    """Settings that are given, but that the choice given beside them does not use.

    Args:
        tree: the values of a job file and of flags.
        known: the choices to look at.
    """
    for options in known:
        section = section_of(tree, options)
        choice = section.get(options.chooser, options.default)
        for setting in section:
            if setting in options.unused(choice) and section[setting] is not None:
                yield ConfigIssue.at((*options.section, setting), options.refusal(setting, choice))


def drop_unused(tree: dict[str, Any], known: Iterable[Options]) -> None:
    """Leaves out of a job's values, all of which are given, those that its choices do not use.

    A job that is written down can thereby be read as a job file again, which refuses them.

    Args:
        tree: the values, which are changed.
        known: the choices to look at.
    """
    for issue in list(unused_options(tree, known)):
        *section, setting = issue.keys
        values: Any = tree
        for name in section:
            values = values[name]
        del values[setting]


def section_of(tree: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """The section of a job's values that a choice stands in; empty where it is missing or no mapping."""
    section: Any = tree
    for name in options.section:
        section = section.get(name) if isinstance(section, Mapping) else None
    return section if isinstance(section, dict) else {}
