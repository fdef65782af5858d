"""Three hosts reached by ssh, brought up by `ray up`, and trials of two workers that must be on two of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from autoscaling import give_token
from grids import Watch, wait_for
from hosts import BIN, Host, Network
from jobs_api import submit, wait_until_jobs_run
from searches import ROOT, summary

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("needs_hosts")]

SSHD = Path("/usr/sbin/sshd")
EXPORTS = "RAY_AUTH_MODE=token OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1"
SSHD_CONFIG = """
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PasswordAuthentication no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
"""


@pytest.fixture(scope="module")
def network(needs_hosts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A laptop and three hosts that it may log in to."""
    if not SSHD.exists() or shutil.which("rsync") is None:
        pytest.skip("needs sshd and rsync (Debian: openssh-server, rsync)")
    folder = tmp_path_factory.mktemp("ssh")
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(folder=folder))
    network = Network({"RAY_AUTH_MODE": "token", "RAY_UP_enable_autoscaler_v2": "0"})
    try:
        give_token(network.laptop)
        network.laptop.run(["bash", "-c", f"mkdir -p ~/.ssh && cp {folder / 'user'} ~/.ssh/id_ed25519"])
        for name in ("head", "first", "second"):
            host = network.add(name)
            host.run(["bash", "-c", f"echo 'export {EXPORTS} PATH={BIN}:$PATH' | tee -a ~/.bashrc > ~/.bash_profile"])
            host.popen([SSHD, "-D", "-f", folder / "sshd_config"])
        yield network
    finally:
        network.close()


def launcher_file(network: Network, folder: Path) -> Path:
    """The file for machines of one's own, with these hosts for its machines and nothing to install."""
    yaml = YAML(typ="safe", pure=True)
    cluster = yaml.load(ROOT / "deploy" / "on_premise.yaml")
    head, *workers = [host.address for host in network.hosts]
    cluster["provider"] |= {"head_ip": head, "worker_ips": workers}
    cluster["auth"]["ssh_user"] = "root"
    cluster |= {"setup_commands": [], "head_setup_commands": []}
    file = folder / "cluster.yaml"
    yaml.dump(cluster, file)
    return file


@pytest.fixture(scope="module")
def cluster(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cluster's launcher file; the cluster is up, and its Jobs API forwarded to the laptop."""
    file = launcher_file(network, tmp_path_factory.mktemp("launcher"))
    network.laptop.run(["ray", "up", "-y", "--no-config-cache", file])
    forwarding = network.laptop.popen(["ray", "dashboard", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until_jobs_run(network.laptop)
    yield file
    forwarding.kill()


@pytest.fixture(scope="module")
def watch(cluster: Path, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Watch:
    head = network.hosts[0]
    watch = Watch(head, f"{head.address}:6379", tmp_path_factory.mktemp("watch") / "hosts.jsonl")
    wait_for(lambda: len(watch.now["nodes"]) == 2, "both workers")
    return watch


@pytest.fixture(scope="module")
def searched(network: Network, cluster: Path, watch: Watch, grid: Path, runs: Path) -> Path:
    """The grid on lanes of two workers that must be on different nodes, submitted from the laptop."""
    driver = submit(
        network.laptop,
        "--config",
        grid,
        "--name",
        "three-hosts",
        "--workers-per-lane",
        "2",
        "--set",
        "lanes.placement_strategy=STRICT_SPREAD",
        storage=runs,
    )
    said, _ = driver.communicate(timeout=900)
    assert driver.returncode == 0, said
    return runs / "three-hosts"


def addresses(hosts: list[Host]) -> list[str]:
    return sorted(host.address for host in hosts)


def test_the_workers_of_every_lane_are_on_two_nodes(searched: Path, network: Network, watch: Watch) -> None:
    both = addresses(network.hosts[1:])
    lanes = {
        tuple(nodes) for look in watch.seen for state, nodes in look["groups"] if state == "CREATED" and len(nodes) == 2
    }
    assert lanes == {tuple(both)}
    most = max(
        (sorted(address for name, address, *_ in look["actors"] if name == "RayTrainWorker") for look in watch.seen),
        key=len,
    )
    assert most in (both, sorted(both * 2))  # one lane may have trained all before the other one was up


def test_two_workers_on_two_nodes_equal_one_on_the_laptop(searched: Path, laptop: Path) -> None:
    found_scores, expected = scores(searched), scores(laptop)
    assert found_scores.keys() == expected.keys()
    for trial, found in found_scores.items():
        assert found == pytest.approx(expected[trial], abs=1e-4), trial
    assert chosen(searched) == chosen(laptop)


def scores(folder: Path) -> dict[tuple[object, ...], list[float]]:
    """The scores of all evaluations by trial."""
    return {
        (trial["task"], *sorted(trial["params"].items())): [e["score"] for e in trial["evaluations"]]
        for trial in summary(folder)["trials"]
    }


def chosen(folder: Path) -> dict[str, object]:
    return {task["task"]: task["winner"]["params"] for task in summary(folder)["tasks"]}


def test_nothing_of_ray_is_left_after_ray_down(searched: Path, cluster: Path, watch: Watch, network: Network) -> None:
    watch.close()
    network.laptop.run(["ray", "down", "-y", cluster])
    assert not network.hosts[0].processes("gcs_server")
    wait_for(
        lambda: not any(host.processes("raylet") for host in network.hosts),
        "workers to notice that the head is gone",
        timeout=120,
    )
