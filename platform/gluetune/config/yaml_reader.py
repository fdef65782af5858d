"""YAML files as plain values that know their lines.

Scalars follow YAML 1.2's core schema: ``5e-5`` is a number, ``no``, ``on`` and ``2024-01-01`` are text, ``010`` is
ten. A key given twice is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from gluetune.config.core_schema import TAG, add_core_schema
from gluetune.config.nesting import MAX_DEPTH, TOO_DEEP
from gluetune.errors import ConfigError, ConfigIssue, KeyPath

MAX_VALUES = 100_000  # in one file, aliases expanded: each alias of a file may stand for thousands of others

_LONGEST = 60  # characters of a value in a message


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the core schema's idea of what a plain scalar is, and a limit on nesting.

    Raises:
        ComposerError: a collection lies deeper than `MAX_DEPTH`.
    """

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - replaces the YAML 1.1 table of the parent
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, TOO_DEEP, self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


add_core_schema(_Loader)


def _whole(text: str) -> int:
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _real(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    TAG + "str": str,
    TAG + "null": lambda text: None,
    TAG + "bool": lambda text: text.lower() == "true",
    TAG + "int": _whole,
    TAG + "float": _real,
}


@dataclass(slots=True)
class Document:
    """A YAML file, read.

    Attributes:
        value: its content in Python values; ``None`` for an empty file.
        file: the name that messages use.
        lines: 1-based line of each key and list item, by path.
    """

    value: Any
    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """Line of a path, or of the nearest part of it that stands in the file."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)


def parse_yaml(data: bytes, file: str) -> Document:
    """Reads YAML.

    Args:
        data: the file's bytes, UTF-8 with or without byte order mark.
        file: the name that messages use.

    Raises:
        ConfigError: wrong encoding, broken syntax, keys given twice, tags.
    """
    builder = _Builder(Document(None, file))
    text = _decode(data, file)
    node = _compose(text, file)
    builder.document.value = None if node is None else builder.build(node, ())
    if builder.issues:
        raise ConfigError(builder.issues)
    return builder.document


def read_yaml(path: str) -> Document:
    """Reads a YAML file.

    Raises:
        ConfigError: the file is missing or unreadable, or see `parse_yaml`.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ConfigError([ConfigIssue("", f"cannot be read: {error.strerror}", path)]) from error
    return parse_yaml(data, path)


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"must be UTF-8 text, but byte 0x{data[error.start]:02x} is not"
        raise ConfigError([ConfigIssue("", message, file, line)]) from error


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError([ConfigIssue("", _syntax(error), file, line)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"must be text without control characters, but got 0x{error.character:02x}"
        raise ConfigError([ConfigIssue("", message, file, line)]) from error


def _syntax(error: yaml.MarkedYAMLError) -> str:
    if error.problem == TOO_DEEP:
        return TOO_DEEP
    if "'\\t'" in str(error.problem):
        return "must be valid YAML: indent with spaces, not with tabs"
    return "must be valid YAML: " + ", ".join(part for part in (error.context, error.problem) if part)


class _Builder:
    """Turns nodes into values, noting lines and issues on the way."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.issues: list[ConfigIssue] = []
        self._open: list[yaml.Node] = []
        self._built = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        if any(node is parent for parent in self._open):
            return self._wrong(node, path, "an alias must not contain itself")
        self._built += 1
        if self._built > MAX_VALUES:  # at once: a file of some lines can stand for more values than memory holds
            self._wrong(node, path, f"a file must not hold more than {MAX_VALUES:,} values, its aliases expanded")
            raise ConfigError(self.issues)
        if len(self._open) >= MAX_DEPTH:  # by aliases of aliases: each of them alone is shallow enough
            return self._wrong(node, path, TOO_DEEP)
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
                return [self._item(child, (*path, i)) for i, child in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.document.lines[path] = node.start_mark.line + 1
        return self.build(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, path, "a key must be text")
                continue
            here = (*path, key.value)
            if key.value == "<<" and key.style is None:
                self._wrong(key, here, "merge keys are not supported; write out the keys that the alias stands for")
                continue
            if key.value in result:
                self._wrong(key, here, f"a key must be given once, but line {self.document.lines[here]} has it too")
                continue
            self.document.lines[here] = key.start_mark.line + 1
            result[key.value] = self.build(child, here)
        return result

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        convert = _SCALARS.get(node.tag)
        if convert is None:
            return self._wrong(node, path, f"tags are not allowed, but got {node.tag!r}")
        try:
            return convert(node.value)
        except ValueError:
            return self._wrong(node, path, f"must fit its tag {node.tag!r}, but got {_shortened(node.value)!r}")

    def _wrong(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self.issues.append(ConfigIssue.at(path, message, self.document.file, node.start_mark.line + 1))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
