"""YAML files as plain values with their line numbers, and plain values as YAML; ruamel.yaml parses and writes.

Plain scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): ``5e-5`` is a number,
``no``, ``on`` and ``2024-01-01`` are text, ``010`` is ten. A key given twice is a mistake.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver, implicit_resolvers

from gluetune import __version__
from gluetune.errors import ConfigError, ConfigIssue, KeyPath

MAX_DEPTH = 100  # far above any job file or data row, far below what Python's default recursion limit (1,000) carries
TOO_DEEP = f"must not be nested deeper than {MAX_DEPTH} levels"
MAX_VALUES = 100_000  # in one file, aliases expanded: each alias of a file may stand for thousands of others

JOB_SCHEMA_VERSION = 1
"""Version of the job files that this version of gluetune writes into runs; it reads all versions up to it."""
_SCHEMA_KEY = "schema_version"

_LONGEST = 60  # characters of a value in a message
_NEVER_WRAP = 1 << 31  # columns: ruamel.yaml loses spaces where it wraps a text with escaped characters
_TAG = "tag:yaml.org,2002:"
_NUMBER = list("-+.0123456789")
_CORE_SCHEMA = {  # by type: the whole scalar, and the characters that it may start with
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _NUMBER),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        _NUMBER,
    ),
}
_SCALAR_TAGS = {_TAG + name for name in ("str", *_CORE_SCHEMA)}


_Rules = dict[str, list[tuple[str, Any]]]  # by a scalar's first character: its tag, where the pattern fits


def _rules(*others: tuple[str, Any, list[str]]) -> _Rules:
    core = ((_TAG + name, re.compile(f"(?:{pattern})$"), first) for name, (pattern, first) in _CORE_SCHEMA.items())
    rules: _Rules = {}
    for tag, pattern, first in (*core, *others):
        for character in first:
            rules.setdefault(character, []).append((tag, pattern))
    return rules


class _CoreSchema(VersionedResolver):
    """The core schema alone, whatever a ``%YAML`` line says: ruamel.yaml's rules for YAML 1.2 know dates and 1_000."""

    processing_version = (1, 2)
    versioned_resolver = _rules()


class _AnySchema(_CoreSchema):
    """What a reader of YAML 1.2 or YAML 1.1 would not take for text, so that the writer quotes such texts."""

    versioned_resolver = _rules(*((tag, pattern, first) for _, tag, pattern, first in implicit_resolvers))


@dataclass(slots=True)
class YamlDocument:
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
        """Return the line of a path, or of the nearest part of it that is in the file."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)


def read_yaml(path: str) -> YamlDocument:
    """Read a YAML file.

    Raises:
        ConfigError: the file is missing or unreadable, or breaks a rule of `parse_yaml`.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ConfigError([ConfigIssue("", f"cannot be read: {error.strerror}", path)]) from error
    return parse_yaml(data, path)


def parse_yaml(data: bytes, file: str) -> YamlDocument:
    """Read YAML.

    Args:
        data: the file's bytes, UTF-8 with or without byte order mark.
        file: the name that messages use.

    Raises:
        ConfigError: wrong encoding, broken syntax, more than `MAX_DEPTH` levels or `MAX_VALUES` values; or all keys
            given twice, keys that are not text, merge keys, tags and aliases that contain themselves, at once.
    """
    parser = YAML(typ="safe", pure=True)
    parser.Resolver = _CoreSchema
    parser.max_depth = MAX_DEPTH
    parser.composer.warn_double_anchors = False
    node = _compose(parser, _decode(data, file), file)
    builder = _Builder(parser, YamlDocument(None, file))
    builder.document.value = None if node is None else builder.build(node, ())
    if builder.issues:
        raise ConfigError(builder.issues)
    return builder.document


def take_job_schema(document: YamlDocument) -> None:
    """Check the version of a job file's schema, and remove its key from the values.

    Args:
        document: the job file, a mapping. A file that a user wrote need not name a version.

    Raises:
        ConfigError: a newer version of gluetune wrote the file, or the version is not a whole number.
    """
    version = document.value.pop(_SCHEMA_KEY, JOB_SCHEMA_VERSION)
    known = f"a version that gluetune {__version__} reads, from 0 to {JOB_SCHEMA_VERSION}"
    if isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= JOB_SCHEMA_VERSION:
        return
    newer = isinstance(version, int) and version > JOB_SCHEMA_VERSION
    hint = ": a newer version of gluetune wrote the file; use that version. Nothing was changed" if newer else ""
    path = (_SCHEMA_KEY,)
    message = f"must be {known}, but got {version!r}{hint}"
    raise ConfigError([ConfigIssue.at(path, message, document.file or None, document.line(path))])


def dump_job_yaml(values: dict[str, Any]) -> str:
    """Write the values of a job as YAML, with the version of their schema."""
    return dump_yaml({_SCHEMA_KEY: JOB_SCHEMA_VERSION} | values)


def dump_yaml(values: dict[str, Any]) -> str:
    """Write plain values as YAML, keys in their order; numbers and texts read back equal, by YAML 1.1 readers too."""
    writer = YAML(typ="safe", pure=True)
    writer.Resolver, writer.Representer = _AnySchema, _Representer
    writer.default_flow_style, writer.allow_unicode, writer.width = False, False, _NEVER_WRAP
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # of a type that cannot be inferred
    text = io.StringIO()
    writer.dump(values, text)
    return text.getvalue()


class _Representer(SafeRepresenter):
    """Writes lists of scalars in one line, no aliases, and floats such as ``5.0e-05``, which YAML 1.1 knows too."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_float(self, data: Any) -> ScalarNode:
        node = super().represent_float(data)
        if "." not in node.value:
            node.value = node.value.replace("e", ".0e", 1)
        return node

    def represent_list(self, data: Any) -> SequenceNode:
        nested = any(isinstance(item, dict) for item in data)
        return self.represent_sequence(_TAG + "seq", data, flow_style=not nested)


_Representer.add_representer(float, _Representer.represent_float)
_Representer.add_representer(list, _Representer.represent_list)


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"must be UTF-8 text, but byte 0x{data[error.start]:02x} is not"
        raise ConfigError([ConfigIssue("", message, file, line)]) from error


def _compose(parser: YAML, text: str, file: str) -> Node | None:
    try:
        node: Node | None = parser.compose(text)
        return node
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError([ConfigIssue("", _syntax(error), file, line)]) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"must be text without control characters, but got 0x{error.character:02x}"
        raise ConfigError([ConfigIssue("", message, file, line)]) from error
    except YAMLError as error:
        raise ConfigError([ConfigIssue("", f"must be valid YAML: {error}", file)]) from error


def _syntax(error: MarkedYAMLError) -> str:
    if isinstance(error, MaxDepthExceededError):
        return TOO_DEEP
    if "'\\t'" in str(error.problem):
        return "must be valid YAML: indent with spaces, not with tabs"
    return "must be valid YAML: " + ", ".join(part for part in (error.context, error.problem) if part)


class _Builder:
    """Converts nodes to values, and records lines and mistakes."""

    def __init__(self, parser: YAML, document: YamlDocument) -> None:
        self.document = document
        self.issues: list[ConfigIssue] = []
        self._scalars = parser.constructor
        self._open: list[Node] = []
        self._built = 0

    def build(self, node: Node, path: KeyPath) -> Any:
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
            if isinstance(node, MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, path)
            if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
                return [self._item(child, (*path, i)) for i, child in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _item(self, node: Node, path: KeyPath) -> Any:
        self.document.lines[path] = node.start_mark.line + 1
        return self.build(node, path)

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, ScalarNode):
                self._wrong(key, path, "a key must be text")
                continue
            keys = (*path, key.value)
            if key.value == "<<" and key.style is None:
                self._wrong(key, keys, "merge keys are not supported; write out the keys that the alias stands for")
                continue
            if key.value in result:
                self._wrong(key, keys, f"a key must be given once, but line {self.document.lines[keys]} has it too")
                continue
            self.document.lines[keys] = key.start_mark.line + 1
            result[key.value] = self.build(child, keys)
        return result

    def _scalar(self, node: Node, path: KeyPath) -> Any:
        if not isinstance(node, ScalarNode) or node.tag not in _SCALAR_TAGS:
            return self._wrong(node, path, f"tags are not allowed, but got {node.tag!r}")
        try:
            return self._scalars.construct_object(node)
        except (ValueError, LookupError):  # what ruamel.yaml raises for `!!int abc`, `!!bool abc` and `!!int ''`
            text = node.value if len(node.value) <= _LONGEST else f"{node.value[:_LONGEST]}…"
            return self._wrong(node, path, f"must fit its tag {node.tag!r}, but got {text!r}")

    def _wrong(self, node: Node, path: KeyPath, message: str) -> None:
        self.issues.append(ConfigIssue.at(path, message, self.document.file, node.start_mark.line + 1))
