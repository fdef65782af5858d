"""``gluetune push`` by huggingface_hub's own client, against a stub of the hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from gluetune.cli.push import main
from gluetune.tasks import get_task
from hub_stub import TOKEN, HubStub, hub_stub
from tiny_classifiers import write_classifier


@pytest.fixture
def hub() -> Iterator[HubStub]:
    with hub_stub() as server:
        yield server


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a winner with a model card."""
    folder = tmp_path_factory.mktemp("runs") / "first" / "winners" / "cola"
    write_classifier(folder, get_task("cola"))
    (folder / "README.md").write_text("---\nlibrary_name: transformers\n---\n# CoLA\n")
    return folder


@pytest.fixture
def environment(hub: HubStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with the stub as the hub and its token, as huggingface_hub reads it when it is imported."""
    for name, value in {
        "ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": str(tmp_path / "token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "*")
    return monkeypatch


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_uploaded_whole_to_the_hub_of_the_environment(hub: HubStub, model: Path, tmp_path: Path) -> None:
    settings = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path)}
    settings |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "NO_PROXY": "*"}
    command = [sys.executable, "-m", "gluetune", "push", str(model), "team/cola", "--private"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | settings)
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/team/cola" in done.stdout
    assert hub.repos["team/cola"]["visibility"] == "private"
    assert {path: data for (_, _, path), data in hub.files.items()} == files(model)


@pytest.mark.usefixtures("environment")
def test_a_winner_is_uploaded_again_to_a_branch(hub: HubStub, model: Path) -> None:
    assert main([str(model), "team/cola"]) == 0
    storage = str(model.parents[2])
    assert main(["first", "team/cola", "--revision", "v2", "--storage-path", storage]) == 0
    for branch in ("main", "v2"):
        assert {path for repo, each, path in hub.files if (repo, each) == ("team/cola", branch)} == set(files(model))


@pytest.mark.parametrize(
    ("changes", "token", "expected"),
    [
        ({}, None, ["token", "hf auth login", "HF_TOKEN"]),
        ({}, "hf_other", ["'team/cola'", "401"]),
        ({"ENDPOINT": "http://127.0.0.1:9"}, TOKEN, ["http://127.0.0.1:9", "cannot be reached"]),
        ({"HF_HUB_OFFLINE": True}, TOKEN, ["cannot be reached", "HF_HUB_OFFLINE"]),
    ],
    ids=["no token", "wrong token", "no network", "offline"],
)
def test_what_stops_an_upload_is_one_message(
    changes: dict[str, Any],
    token: str | None,
    expected: list[str],
    environment: pytest.MonkeyPatch,
    hub: HubStub,
    model: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in changes.items():
        environment.setattr(constants, name, value)
    environment.setenv("HF_TOKEN", token or "")
    assert main([str(model), "team/cola"]) == 2
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert [part for part in expected if part not in err] == []
    assert not hub.files


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ["MODEL: ", "REPO: "]),
        ("folder", ["REPO: "]),
        ("nofolder team/cola", ["MODEL", "'nofolder'"]),
        ("MODEL team/co/la", ["REPO: ", "'team/co/la'"]),
        ("MODEL team/cola third", ["'third'"]),
        ("MODEL team/cola --privat", ["'--private'"]),
    ],
)
def test_mistakes(line: str, expected: list[str], model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(model) if word == "MODEL" else word for word in line.split()]) == 2
    err = capfd.readouterr().err
    assert [part for part in expected if part not in err] == []
