"""What users and machines get wrong: one clear message each, exit code 2, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaling import give_token
from grids import events, in_the_middle, tune
from hosts import Host, Network
from searches import trials, winners

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("needs_hosts")]

ANOTHER_VERSION = """
import sys
import ray
ray.__version__ = "2.59.0"
from gluetune.cli.tune import tune_main
sys.exit(tune_main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def network(needs_hosts: None) -> Iterator[Network]:
    network = Network({"RAY_AUTH_MODE": "token"})
    yield network
    network.close()


@pytest.fixture(scope="module")
def head(network: Network) -> Host:
    """A cluster that wants a token."""
    head = network.add("head")
    give_token(head)
    head.run(
        [
            "ray",
            "start",
            "--head",
            f"--node-ip-address={head.address}",
            "--port=6379",
            "--num-cpus=1",
            "--object-store-memory=200000000",
            "--disable-usage-stats",
        ]
    )
    return head


def refused(host: Host, command: list[str], env: dict[str, str] | None = None) -> str:
    """The one message of a command that must not get anywhere."""
    said = host.run(command, env=env, code=2, timeout=300)
    assert "Traceback" not in said
    before, error, message = said.partition("error: ")
    assert error, said
    assert "error" not in before.lower()
    return message


def test_an_address_where_no_cluster_answers(head: Host, grid: Path, tmp_path: Path) -> None:
    message = refused(head, tune("--config", grid, "--storage-path", tmp_path, "--address", "10.77.0.99:6379"))
    assert "no Ray cluster answers at '10.77.0.99:6379'" in message


@pytest.mark.parametrize("token", [{"RAY_AUTH_TOKEN": "0" * 64}, {"RAY_AUTH_MODE": "disabled"}], ids=["wrong", "none"])
def test_a_token_that_is_not_the_clusters(head: Host, grid: Path, tmp_path: Path, token: dict[str, str]) -> None:
    command = tune("--config", grid, "--storage-path", tmp_path, "--address", f"{head.address}:6379")
    message = refused(head, command, token)
    assert f"no Ray cluster at '{head.address}:6379' accepts this process" in message
    assert "RAY_AUTH_TOKEN" in message
    assert len(message.splitlines()) < 8


def test_another_version_of_ray_than_the_clusters(head: Host, grid: Path, tmp_path: Path) -> None:
    own = tune("--config", grid, "--storage-path", tmp_path, "--address", f"{head.address}:6379")[2:]
    message = refused(head, [sys.executable, "-c", ANOTHER_VERSION, *own])
    assert "cannot be joined: Version mismatch" in message
    assert "2.59.0" in message


def test_a_bucket_out_of_reach(network: Network, grid: Path) -> None:
    message = refused(network.laptop, tune("--config", grid, "--storage-path", "s3://gluetune-nowhere/runs"))
    assert "cannot reach s3://gluetune-nowhere/runs" in message


def test_a_disk_that_fills_up_ends_a_search_that_goes_on_when_there_is_space(
    network: Network, grid: Path, tmp_path: Path, laptop: Path
) -> None:
    host = network.laptop
    host.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", tmp_path])
    seen_from_here = Path(f"/proc/{host.pid}/root{tmp_path}/full")
    command = tune("--config", grid, "--name", "full", "--storage-path", tmp_path)
    driver = host.popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    in_the_middle(seen_from_here)
    host.run(["dd", "if=/dev/zero", f"of={tmp_path}/filler", "bs=4k"], code=1)
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 2, said
    assert "Traceback" not in said
    assert "No space left on device" in said.rpartition("error: ")[2]
    assert not [event for event in events(seen_from_here) if event.get("status") == "failed"]
    host.run(["rm", tmp_path / "filler"])
    host.run([*tune("--resume", "full", "--storage-path", tmp_path)], timeout=900)
    assert trials(seen_from_here) == trials(laptop)
    assert winners(seen_from_here) == winners(laptop)
