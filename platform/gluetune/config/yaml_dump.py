"""Writing YAML that `gluetune.config.yaml_reader` and YAML 1.1 readers take alike."""

from __future__ import annotations

from typing import Any

import yaml

from gluetune.config.core_schema import TAG, add_core_schema


class _Dumper(yaml.SafeDumper):
    """Quotes text that any of the two would take for something else; PyYAML writes floats as ``5.0e-05`` already."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


add_core_schema(_Dumper)


def _in_one_line(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    nested = any(isinstance(item, dict) for item in items)
    return dumper.represent_sequence(TAG + "seq", items, flow_style=not nested)


_Dumper.add_representer(list, _in_one_line)


def plain_yaml(values: dict[str, Any]) -> str:
    """Values as YAML, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=120)
