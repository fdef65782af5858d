"""What users and machines get wrong: one clear message each, exit code 2, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaling import give_token
from grids import events, in_the_middle
from hosts import Host, Network
from searches import command, trials, winners

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


@pytest.fixture(scope="module")
def refused(network: Network, head: Host, grid: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The messages of commands that must not get anywhere; they run at the same time, because most of them wait."""
    folder = tmp_path_factory.mktemp("refused")

    def at(address: str, name: str) -> list[str]:  # without names, two that start in one second have the same folder
        return ["--config", str(grid), "--storage-path", str(folder), "--name", name, "--address", address]

    there = f"{head.address}:6379"
    commands: dict[str, tuple[Host, list[str], dict[str, str]]] = {
        "no cluster": (head, command(*at("10.77.0.99:6379", "nowhere")), {}),
        "wrong token": (head, command(*at(there, "wrong")), {"RAY_AUTH_TOKEN": "0" * 64}),
        "no token": (head, command(*at(there, "none")), {"RAY_AUTH_MODE": "disabled"}),
        "another version": (head, [sys.executable, "-c", ANOTHER_VERSION, *at(there, "version")], {}),
        "no bucket": (network.laptop, command("--config", grid, "--storage-path", "s3://gluetune-nowhere/runs"), {}),
    }
    started = {
        name: host.popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name, (host, arguments, env) in commands.items()
    }
    return {name: refusal(process) for name, process in started.items()}


def refusal(process: subprocess.Popen[str]) -> str:
    """The one message of a command that ends with exit code 2."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 2, said
    assert "Traceback" not in said
    before, error, message = said.partition("error: ")
    assert error, said
    assert "error" not in before.lower()
    return message


def test_an_address_where_no_cluster_answers(refused: dict[str, str]) -> None:
    assert "no Ray cluster answers at '10.77.0.99:6379'" in refused["no cluster"]


@pytest.mark.parametrize("case", ["wrong token", "no token"])
def test_a_token_that_is_not_the_clusters(case: str, head: Host, refused: dict[str, str]) -> None:
    assert f"no Ray cluster at '{head.address}:6379' accepts this process" in refused[case]
    assert "RAY_AUTH_TOKEN" in refused[case]
    assert len(refused[case].splitlines()) < 8


def test_another_version_of_ray_than_the_clusters(refused: dict[str, str]) -> None:
    assert "cannot be joined: Version mismatch" in refused["another version"]
    assert "2.59.0" in refused["another version"]


def test_a_bucket_out_of_reach(refused: dict[str, str]) -> None:
    assert "cannot reach s3://gluetune-nowhere/runs" in refused["no bucket"]


def test_a_disk_that_fills_up_ends_a_search_that_goes_on_when_there_is_space(
    network: Network, grid: Path, tmp_path: Path, laptop: Path
) -> None:
    host = network.laptop
    host.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", tmp_path])
    seen_from_here = Path(f"/proc/{host.pid}/root{tmp_path}/full")
    search = command("--config", grid, "--name", "full", "--storage-path", tmp_path)
    driver = host.popen(search, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    in_the_middle(seen_from_here)
    host.run(["dd", "if=/dev/zero", f"of={tmp_path}/filler", "bs=4k"], code=1)
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 2, said
    assert "Traceback" not in said
    assert "No space left on device" in said.rpartition("error: ")[2]
    assert not [event for event in events(seen_from_here) if event.get("status") == "failed"]
    host.run(["rm", tmp_path / "filler"])
    host.run(command("--resume", "full", "--storage-path", tmp_path), timeout=900)
    assert trials(seen_from_here) == trials(laptop)
    assert winners(seen_from_here) == winners(laptop)
