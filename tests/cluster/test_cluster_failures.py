"""Whatever dies under a search on several nodes, it ends with the trials, scores and winners of an undisturbed one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grids import TRIALS, Watch, computed_twice, in_the_middle, recovery, tune, wait_for
from hosts import Host, Network
from searches import summary, trials, winners

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("needs_hosts")]

QUICK_TO_NOTICE = {  # see docs/reliability.md
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
LANES = 2
WORKER, LANE, TRAINABLE = "RayTrainWorker", "LaneActor", ("LaneTrainable", "ResourceTrainable")
HOLD = """
import sys, time, ray
ray.init(sys.argv[1], log_to_driver=False)
ray.get(ray.util.placement_group([{"driver": 1}]).ready())
print("held", flush=True)
time.sleep(1000)
"""


class Cluster:
    """A head that holds the drivers of lanes, and three workers of one CPU each, of which two lanes leave one spare."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.head = network.add("head")
        self.address = f"{self.head.address}:6379"
        self._ray(self.head, "--head", "--port=6379", "--num-cpus=0", '--resources={"driver": 1}')
        self.workers: list[Host] = []
        self.drivers = {self.head.address}  # addresses of nodes with that resource
        self._names = iter(f"worker{number}" for number in range(100))

    def fill(self) -> None:
        """Add workers until there are three."""
        while len(self.workers) < 3:
            self.workers.append(self.add("--num-cpus=1"))

    def add(self, *flags: str) -> Host:
        """A new host that joins the cluster."""
        host = self._network.add(next(self._names))
        self._ray(host, f"--address={self.address}", *flags)
        return host

    def lose(self, host: Host) -> None:
        """Pull a host's plug."""
        self._network.lose(host)
        if host in self.workers:
            self.workers.remove(host)

    def at(self, address: str) -> Host:
        """The worker with an address."""
        return next(host for host in self.workers if host.address == address)

    @staticmethod
    def _ray(host: Host, *flags: str) -> None:
        host.run(
            [
                "ray",
                "start",
                *flags,
                f"--node-ip-address={host.address}",
                "--object-store-memory=300000000",
                "--disable-usage-stats",
            ],
            env=QUICK_TO_NOTICE,
        )


@pytest.fixture(scope="module")
def whole_cluster(needs_hosts: None) -> Iterator[Cluster]:
    network = Network({"RAY_AUTH_MODE": "disabled"})
    try:
        yield Cluster(network)
    finally:
        network.close()


@pytest.fixture
def cluster(whole_cluster: Cluster) -> Cluster:
    whole_cluster.fill()
    return whole_cluster


@pytest.fixture(scope="module")
def watch(whole_cluster: Cluster, runs: Path) -> Iterator[Watch]:
    watch = Watch(whole_cluster.head, whole_cluster.address, runs / "failures.jsonl")
    yield watch
    watch.close()


Start = Callable[..., "subprocess.Popen[str]"]
Finish = Callable[["subprocess.Popen[str]", Path], None]


@pytest.fixture
def start(cluster: Cluster, runs: Path) -> Start:
    """Start a search on the cluster's head."""

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        return cluster.head.popen(
            tune(*arguments, "--storage-path", runs, "--address", cluster.address),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    return start


@pytest.fixture
def finish(cluster: Cluster, laptop: Path, watch: Watch) -> Finish:
    """Wait for a search's end, and hold it against the undisturbed one."""

    def placement_groups(look: dict[str, Any]) -> list[list[str]]:
        """Placement groups of workers, on nodes other than the drivers'."""
        return [nodes for state, nodes in look["groups"] if state == "CREATED" and not cluster.drivers & set(nodes)]

    def finish(driver: subprocess.Popen[str], folder: Path) -> None:
        said, _ = driver.communicate(timeout=900)
        assert driver.returncode == 0, said
        assert "Traceback" not in said
        assert trials(folder) == trials(laptop)
        assert winners(folder) == winners(laptop)
        assert len(summary(folder)["trials"]) == TRIALS
        assert computed_twice(folder) <= 1
        assert max(len(placement_groups(look)) for look in watch.seen) <= LANES, (
            "the placement group of a dead lane still exists"
        )
        wait_for(watch.empty, "a cluster without actors and placement groups", timeout=60)

    return finish


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str, float], None]:
    def tell(what: str, seconds: float) -> None:
        with capsys.disabled():
            print(f"\n  {what}: all lanes evaluate again after {seconds:.1f} s")

    return tell


def test_a_worker_process_is_killed(
    cluster: Cluster,
    watch: Watch,
    start: Start,
    finish: Finish,
    grid: Path,
    runs: Path,
    tell: Callable[[str, float], None],
) -> None:
    driver, folder = start("--config", grid, "--name", "worker-killed"), runs / "worker-killed"
    in_the_middle(folder, lanes=LANES)
    _, address, pid, _ = next(actor for actor in watch.now["actors"] if actor[0] == WORKER)
    cluster.at(address).process(pid).kill()
    at = time.time()
    finish(driver, folder)
    tell("a worker process killed", recovery(folder, at))


def test_a_worker_process_is_killed_as_it_starts(
    cluster: Cluster, watch: Watch, start: Start, finish: Finish, grid: Path, runs: Path
) -> None:
    driver, folder = start("--config", grid, "--name", "starting-killed"), runs / "starting-killed"
    wait_for(lambda: starting(cluster), "a worker that starts")[0].kill()
    in_the_middle(folder, lanes=LANES)
    finish(driver, folder)


def starting(cluster: Cluster) -> list[psutil.Process]:
    return [process for host in cluster.workers for process in host.processes("RayTrainWorker.init_train_context")]


def test_a_workers_node_is_lost(
    cluster: Cluster,
    watch: Watch,
    start: Start,
    finish: Finish,
    grid: Path,
    runs: Path,
    tell: Callable[[str, float], None],
) -> None:
    driver, folder = start("--config", grid, "--name", "node-lost"), runs / "node-lost"
    in_the_middle(folder, lanes=LANES)
    assert set(watch.nodes_of(LANE, *TRAINABLE)) == {cluster.head.address}
    cluster.lose(cluster.at(watch.nodes_of(WORKER)[0]))
    at = time.time()
    finish(driver, folder)
    tell("a worker's node lost", recovery(folder, at))


def test_the_actor_of_a_lane_is_killed(
    cluster: Cluster,
    watch: Watch,
    start: Start,
    finish: Finish,
    grid: Path,
    runs: Path,
    tell: Callable[[str, float], None],
) -> None:
    driver, folder = start("--config", grid, "--name", "lane-lost"), runs / "lane-lost"
    in_the_middle(folder, lanes=LANES)
    _, _, pid, _ = next(actor for actor in watch.now["actors"] if actor[0] == LANE)
    cluster.head.process(pid).kill()
    at = time.time()
    finish(driver, folder)
    tell("the actor of a lane killed", recovery(folder, at))


def test_the_node_of_the_trials_trainables_is_lost(
    cluster: Cluster,
    watch: Watch,
    start: Start,
    finish: Finish,
    grid: Path,
    runs: Path,
    tell: Callable[[str, float], None],
) -> None:
    held = cluster.head.popen([sys.executable, "-c", HOLD, cluster.address], stdout=subprocess.PIPE)
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    permanent = cluster.add("--num-cpus=0", '--resources={"driver": 1}')
    cluster.drivers.add(permanent.address)
    driver, folder = start("--config", grid, "--name", "trainables-lost"), runs / "trainables-lost"
    in_the_middle(folder, lanes=LANES)
    assert watch.nodes_of(*TRAINABLE) == [permanent.address] * LANES
    assert set(watch.nodes_of(LANE)) == {cluster.head.address}
    cluster.head.processes(HOLD)[-1].kill()
    cluster.lose(permanent)
    at = time.time()
    finish(driver, folder)
    tell("the node of both trials' Trainables lost", recovery(folder, at))


def test_the_driver_is_killed_and_resumed(
    cluster: Cluster,
    watch: Watch,
    start: Start,
    finish: Finish,
    grid: Path,
    runs: Path,
    tell: Callable[[str, float], None],
) -> None:
    driver, folder = start("--config", grid, "--name", "driver-killed"), runs / "driver-killed"
    in_the_middle(folder, lanes=LANES)
    for process in cluster.head.processes("--name driver-killed"):
        process.send_signal(signal.SIGKILL)
    driver.communicate()
    wait_for(watch.empty, "a cluster without the dead driver's actors and placement groups", timeout=60)
    at = time.time()
    finish(start("--resume", "driver-killed"), folder)
    tell("the driver killed, from --resume on", recovery(folder, at))
