"""A search submitted to an autoscaling cluster with token authentication: nodes come and go with its lanes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaling import MOST_NODES, give_token, start_head
from grids import Watch, wait_for
from hosts import Host, Network
from jobs_api import job_end, submission, submit
from searches import trials, winners

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("needs_hosts")]


@pytest.fixture(scope="module")
def head(needs_hosts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    network = Network({"RAY_AUTH_MODE": "token"})
    try:
        give_token(network.laptop)
        start_head(network.laptop, tmp_path_factory.mktemp("autoscaling"))
        yield network.laptop
    finally:
        network.close()


@pytest.fixture(scope="module")
def timeline(head: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    watch = Watch(head, "127.0.0.1:6379", tmp_path_factory.mktemp("watch") / "timeline.jsonl")
    assert watch.now["nodes"] == {}
    yield watch
    watch.close()


@pytest.fixture(scope="module")
def printed(head: Host, project: Path, grid: Path, runs: Path, timeline: Watch, request: pytest.FixtureRequest) -> str:
    """What a search on two lanes printed as a job, from no node to none.

    The undisturbed search, which is needed later, runs while the job waits for its nodes.
    """
    driver = submit(head, "--config", grid, "--name", "autoscaled", storage=runs, cwd=project)
    request.getfixturevalue("laptop")
    said, _ = driver.communicate(timeout=900)
    assert driver.returncode == 0, said
    wait_for(lambda: not timeline.now["nodes"], "no node to be left", timeout=90)
    return said


def nodes_over_time(timeline: Watch) -> list[tuple[float, int]]:
    """When the number of worker nodes changed, and to what."""
    changes: list[tuple[float, int]] = []
    for look in timeline.seen:
        if not changes or changes[-1][1] != len(look["nodes"]):
            changes.append((look["time"], len(look["nodes"])))
    return changes


def test_nodes_come_as_lanes_are_asked_for_and_go_when_they_end(
    printed: str, timeline: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = nodes_over_time(timeline)
    with capsys.disabled():
        print("\n  seconds → worker nodes:", ", ".join(f"{at - changes[0][0]:.0f} → {count}" for at, count in changes))
    counts = [count for _, count in changes]
    assert counts[:3] == [0, 1, 2]
    assert counts[-1] == 0
    assert max(counts) == 2


def test_a_lane_starts_as_soon_as_its_own_node_is_there(printed: str, timeline: Watch) -> None:
    second_node = next(at for at, count in nodes_over_time(timeline) if count == 2)
    before = [look for look in timeline.seen if look["time"] < second_node]
    assert any(name == "RayTrainWorker" for look in before for name, *_ in look["actors"])


def test_nothing_but_training_is_on_worker_nodes(printed: str, timeline: Watch) -> None:
    there = {name for look in timeline.seen for name, _, _, node in look["actors"] if node in look["nodes"]}
    assert "RayTrainWorker" in there
    assert there <= {"RayTrainWorker"}


def test_a_search_says_what_it_waits_for(printed: str) -> None:
    assert "waiting for resources: 2 × (1 worker of 1 CPU); the cluster now has 1 node(s) with 0 CPU" in printed


def test_the_search_equals_the_laptops(printed: str, runs: Path, laptop: Path) -> None:
    assert trials(runs / "autoscaled") == trials(laptop)
    assert winners(runs / "autoscaled") == winners(laptop)


def test_what_the_cluster_can_never_hold_is_an_error_at_once(head: Host, grid: Path, runs: Path) -> None:
    command = submission(
        "--config",
        grid,
        "--name",
        "impossible",
        "--set",
        "lanes.cpus_per_worker=64",
        storage=runs,
        options=("--submission-id", "impossible"),
    )
    said = head.run(command, code=None)
    assert f"do not fit on {MOST_NODES + 1} node(s) with {MOST_NODES} CPU" in said
    assert "Traceback" not in said
    assert job_end(head, "impossible") == ("FAILED", 2)
    assert not (runs / "impossible" / "journal").exists()
