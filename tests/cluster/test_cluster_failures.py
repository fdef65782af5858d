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

from grids import TRIALS, Watch, computed_twice, in_the_middle, recovery, wait_for
from hosts import Host, Network
from searches import command, summary, trials, winners

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("needs_hosts")]

QUICK_TO_NOTICE = {  # see docs/explanation/reliability.md
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
LANES = 2
WORKER, LANE, TRAINABLE = "RayTrainWorker", "LaneActor", ("LaneTrainable",)
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


class DisturbedSearch:
    """A search on the cluster that is disturbed while its trials train, one time after the other.

    Args:
        name: the search's name.
        cluster: where it runs.
        grid: its job file.
        runs: the folder of all runs.
    """

    def __init__(self, name: str, cluster: Cluster, grid: Path, runs: Path) -> None:
        self._cluster, self._runs = cluster, runs
        self.folder = runs / name
        self.recoveries: dict[str, float] = {}  # seconds until all lanes evaluated again, by disturbance
        self._driver = self._start("--config", grid, "--name", name)

    def _start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return self._cluster.head.popen(
            command(*arguments, "--storage-path", self._runs, "--address", self._cluster.address),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def disturb(self, what: str, disturbance: Callable[[], object]) -> None:
        """Wait until both lanes have trained, disturb the search, and wait until all its trials are evaluated again."""
        in_the_middle(self.folder, lanes=LANES)
        disturbance()
        since = time.time()

        def recovered() -> float | None:
            over = self._driver.poll() is not None
            seconds = recovery(self.folder, since)
            assert seconds or not over, "the search ended before its trials were evaluated again"
            return seconds

        self.recoveries[what] = wait_for(recovered, f"an evaluation of each trial after: {what}", timeout=600)

    def kill_driver_and_resume(self, empty: Callable[[], bool]) -> None:
        for process in self._cluster.head.processes(f"--name {self.folder.name}"):
            process.send_signal(signal.SIGKILL)
        self._driver.communicate()
        wait_for(empty, "a cluster without the dead driver's actors and placement groups", timeout=60)
        self._driver = self._start("--resume", self.folder.name)

    def end(self) -> str:
        """Wait for its end; what it printed."""
        said, _ = self._driver.communicate(timeout=900)
        assert self._driver.returncode == 0, said
        return said


Start = Callable[[str], DisturbedSearch]
Compare = Callable[[DisturbedSearch], None]


@pytest.fixture
def start(cluster: Cluster, grid: Path, runs: Path) -> Start:
    return lambda name: DisturbedSearch(name, cluster, grid, runs)


@pytest.fixture
def compare(cluster: Cluster, laptop: Path, watch: Watch, capsys: pytest.CaptureFixture[str]) -> Compare:
    """Wait for a search's end, and compare it with the undisturbed one."""

    def placement_groups(look: dict[str, Any]) -> list[list[str]]:
        """Placement groups of workers, on nodes other than the drivers'."""
        return [nodes for state, nodes in look["groups"] if state == "CREATED" and not cluster.drivers & set(nodes)]

    def compare(search: DisturbedSearch) -> None:
        assert "Traceback" not in search.end()
        assert trials(search.folder) == trials(laptop)
        assert winners(search.folder) == winners(laptop)
        assert len(summary(search.folder)["trials"]) == TRIALS
        assert computed_twice(search.folder) <= len(search.recoveries)
        assert max(len(placement_groups(look)) for look in watch.seen) <= LANES, (
            "the placement group of a dead lane still exists"
        )
        wait_for(watch.empty, "a cluster without actors and placement groups", timeout=60)
        with capsys.disabled():
            for what, seconds in search.recoveries.items():
                print(f"\n  {what}: all lanes evaluate again after {seconds:.1f} s")

    return compare


def test_a_worker_process_is_killed_as_it_starts_and_one_as_it_trains(
    cluster: Cluster, watch: Watch, start: Start, compare: Compare
) -> None:
    def kill_worker() -> None:
        _, address, pid, _ = next(actor for actor in watch.now["actors"] if actor[0] == WORKER)
        cluster.at(address).process(pid).kill()

    search = start("worker-killed")
    wait_for(lambda: starting(cluster), "a worker that starts")[0].kill()
    search.disturb("a worker process killed", kill_worker)
    compare(search)


def starting(cluster: Cluster) -> list[psutil.Process]:
    return [process for host in cluster.workers for process in host.processes("RayTrainWorker.init_train_context")]


def test_a_workers_node_is_lost_and_then_the_driver_is_killed_and_resumed(
    cluster: Cluster, watch: Watch, start: Start, compare: Compare
) -> None:
    def lose_node() -> None:
        assert set(watch.nodes_of(LANE, *TRAINABLE)) == {cluster.head.address}
        cluster.lose(cluster.at(watch.nodes_of(WORKER)[0]))

    search = start("node-lost")
    search.disturb("a worker's node lost", lose_node)
    search.disturb("the driver killed, from --resume on", lambda: search.kill_driver_and_resume(watch.empty))
    compare(search)


def test_the_node_of_the_trials_trainables_is_lost_and_then_the_actor_of_a_lane_is_killed(
    cluster: Cluster, watch: Watch, start: Start, compare: Compare
) -> None:
    held = cluster.head.popen([sys.executable, "-c", HOLD, cluster.address], stdout=subprocess.PIPE)
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    permanent = cluster.add("--num-cpus=0", '--resources={"driver": 1}')
    cluster.drivers.add(permanent.address)

    def lose_node() -> None:
        assert watch.nodes_of(*TRAINABLE) == [permanent.address] * LANES
        assert set(watch.nodes_of(LANE)) == {cluster.head.address}
        cluster.head.processes(HOLD)[-1].kill()
        cluster.lose(permanent)

    def kill_lane() -> None:
        _, _, pid, _ = next(actor for actor in watch.now["actors"] if actor[0] == LANE)
        cluster.head.process(pid).kill()

    search = start("actors-lost")
    search.disturb("the node of both trials' Trainables lost", lose_node)
    search.disturb("the actor of a lane killed", kill_lane)
    compare(search)
