"""CITATION.cff names the version that the package has."""

from __future__ import annotations

from ruamel.yaml import YAML

from gluetune import __version__
from launcher_files import ROOT


def test_the_citation_is_of_the_current_version() -> None:
    citation = YAML(typ="safe", pure=True).load(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
