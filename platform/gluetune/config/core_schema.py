"""What a plain scalar is, in YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema).

PyYAML speaks YAML 1.1, where ``5e-5`` is text and ``no`` is false.
"""

from __future__ import annotations

import re

from yaml.resolver import BaseResolver

TAG = "tag:yaml.org,2002:"

_NUMBER = "-+.0123456789"
_PATTERNS = {  # by type: the whole scalar, and the characters it may start with
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list(_NUMBER)),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list(_NUMBER),
    ),
}


def add_core_schema(resolver: type[BaseResolver]) -> None:
    """Teaches a loader to read plain scalars so, or a dumper to quote text that would be read so."""
    for name, (pattern, first) in _PATTERNS.items():
        resolver.add_implicit_resolver(TAG + name, re.compile(f"(?:{pattern})$"), first)
