"""Writing YAML."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes floats so that YAML 1.1 readers take them for numbers too (``5.0e-05``), lists in one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _in_one_line(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    nested = any(isinstance(item, dict) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=not nested)


_Dumper.add_representer(list, _in_one_line)


def plain_yaml(values: dict[str, Any]) -> str:
    """Values as YAML, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
