"""New sessions: the encoders of a job and of its search space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gluetune.api.session import Session, new_session
from gluetune.config import JobConfig, SearchSpace
from gluetune.errors import ConfigError

RATES = {"learning_rate": [1e-4, 1e-5]}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two encoders' folders, and a link to one of them, in the current directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("a")


def session(space: dict[str, Any], names: Any = None) -> Session:
    model = {} if names is None else {"name_or_path": names}
    job = JobConfig.model_validate({"name": "x", "model": model, "search": {"space": "compact_bert"}})
    return new_session(job, None, space=SearchSpace.model_validate(space), starts=False)


@pytest.mark.parametrize("other", ["./a", "a/", "b/../a", "link"])
def test_two_spellings_of_a_folder_are_one_encoder(other: str) -> None:
    same = f"each encoder must be named once, but 'a' and '{other}' are the same folder"
    with pytest.raises(ConfigError, match=f"model.name_or_path.*: {same}"):
        session({"space": RATES}, ["b", "a", other])
    with pytest.raises(ConfigError, match=f"search.space.*: {same}"):
        session({"space": {"model": ["a", other], **RATES}})
    with pytest.raises(ConfigError, match=f"search.space.*: {same}"):
        session({"encoders": {"a": {"space": RATES}, other: {"space": {}}}})


def test_the_encoders_of_a_space_are_folders_of_the_current_directory(tmp_path: Path) -> None:
    space = {"space": {"model": ["a", "org/b", "synthetic"], **RATES}}
    assert list(session(space).space.encoders) == [str(tmp_path / "a"), "org/b", "synthetic"]


def test_the_encoders_of_a_space_stay_as_they_are_in_a_submitted_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    places = {"storage": {"path": str(tmp_path / "runs")}, "tracking": {"uri": "http://127.0.0.1:1"}}
    job = JobConfig.model_validate({"name": "x", **places})
    space = SearchSpace.model_validate({"space": {"model": ["a", "b"], **RATES}})
    assert list(new_session(job, None, space=space, starts=False).space.encoders) == ["a", "b"]
