"""``gluetune push`` by huggingface_hub's own client, against a stub of the hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def push(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: huggingface_hub reads its environment when it is imported."""
    own = {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN, "NO_PROXY": "*"}
    return subprocess.run(
        [sys.executable, "-m", "gluetune", "push", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | own | environment,
    )


def test_the_folder_is_uploaded_whole_and_again_to_a_branch(hub: HubStub, model: Path, tmp_path: Path) -> None:
    done = push(str(model), "team/cola", "--private", home=tmp_path, HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/team/cola" in done.stdout
    assert hub.repos["team/cola"]["visibility"] == "private"
    content = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    assert {path: data for (_, _, path), data in hub.files.items()} == content
    storage = str(model.parents[2])
    done = push("first", "team/cola", "--revision", "v2", "--storage-path", storage, home=tmp_path, HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert {path for repo, branch, path in hub.files if (repo, branch) == ("team/cola", "v2")} == set(content)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_TOKEN": ""}, ["token", "hf auth login", "HF_TOKEN"]),
        ({"HF_TOKEN": "hf_other"}, ["'team/cola'", "401"]),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, ["http://127.0.0.1:9", "cannot be reached"]),
        ({"HF_HUB_OFFLINE": "1"}, ["cannot be reached", "HF_HUB_OFFLINE"]),
    ],
    ids=["no token", "wrong token", "no network", "offline"],
)
def test_what_stops_an_upload_is_one_message(
    environment: dict[str, str], expected: list[str], hub: HubStub, model: Path, tmp_path: Path
) -> None:
    done = push(str(model), "team/cola", home=tmp_path, **{"HF_ENDPOINT": hub.url, **environment})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert [part for part in expected if part not in done.stderr] == []
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
