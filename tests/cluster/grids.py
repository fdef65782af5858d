"""The grid that every cluster test searches, and what can be read from its journal while it runs and afterwards.

Without dropout, so that lanes of two workers give the numbers of lanes of one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gluetune.events import LaneLost, SessionEnded, SessionStarted, TaskEnded
from hosts import Host

SPACE = """
space:
  learning_rate: [3.0e-4, 1.0e-4]
  batch_size: [16, 32]
training:
  num_train_epochs: 3
  hidden_dropout_prob: 0.0
  attention_probs_dropout_prob: 0.0
"""
JOB = """
tasks: [cola, mrpc]
seed: 7
data: {max_train_samples: 2000}
search: {space: SPACE, algorithm: grid}
lanes: {max_concurrent_trials: 2, cpus_per_worker: 1.0}
"""
TRIALS, EVALUATIONS = 8, 3


def write_grid(folder: Path) -> Path:
    """Eight trials of a few seconds on two lanes."""
    (folder / "space.yaml").write_text(SPACE)
    job = folder / "grid.yaml"
    job.write_text(JOB.replace("SPACE", json.dumps(str(folder / "space.yaml"))))
    return job


SEARCH_EVENTS = {kind.model_fields["event"].default for kind in (SessionStarted, SessionEnded, TaskEnded, LaneLost)}


def events(folder: Path) -> list[dict[str, Any]]:
    """The events of a search's trials so far, from its journal."""
    file = folder / "journal" / "000000.jsonl"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    whole = [json.loads(line) for line in lines[1:] if line.endswith("\n")]  # the first is the header
    return [event for event in whole if event["event"] not in SEARCH_EVENTS]


def evaluations(folder: Path) -> list[dict[str, Any]]:
    return [event for event in events(folder) if event["event"] == "evaluated"]


def wait_for(condition: Callable[[], Any], what: str, timeout: float = 300) -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
        time.sleep(0.05)
    return found


def in_the_middle(folder: Path, ended: int = 1, lanes: int = 1) -> dict[str, Any]:
    """Wait until trials have ended, on so many lanes, and a later one is between evaluations; the last evaluation.

    Does not wait for another lane any more once half of the trials have ended: it may come up late.
    """

    def found() -> dict[str, Any] | None:
        seen = events(folder)
        over = {event["number"] for event in seen if event["event"] == "ended"}
        last = seen[-1] if seen else {}
        at_work = last.get("event") == "evaluated" and last["number"] not in over and last["index"] < EVALUATIONS
        working = {event["lane"] for event in seen if event["event"] == "evaluated"}
        on_all_lanes = len(working) >= lanes or len(over) >= TRIALS // 2
        return last if at_work and len(over) >= ended and on_all_lanes else None

    return wait_for(found, f"a trial in the middle after {ended} others", timeout=600)


def computed_twice(folder: Path) -> int:
    """How many evaluations were computed more than once; one reported again from a checkpoint has the same seconds."""
    computed = {(event["number"], event["index"], event["train_seconds"]) for event in evaluations(folder)}
    return len(computed) - len({(number, index) for number, index, _ in computed})


def recovery(folder: Path, since: float) -> float | None:
    """Seconds from a moment until all trials that ran then were evaluated again; ``None`` as long as one was not."""
    seen = events(folder)
    started = {event["number"] for event in seen if event["event"] == "started" and event["time"] < since}
    ended = {event["number"] for event in seen if event["event"] == "ended" and event["time"] < since}
    again: dict[int, float] = {}
    for event in seen:
        if event["event"] in ("evaluated", "ended") and event["time"] > since:
            again.setdefault(event["number"], event["time"] - since)
    return max(again[number] for number in started - ended) if started - ended <= again.keys() else None


class Watch:
    """`watch.py` on a host, and what it has seen.

    Args:
        host: where it runs.
        address: the cluster's.
        file: where its lines go.
    """

    def __init__(self, host: Host, address: str, file: Path) -> None:
        self._host, self._file = host, file
        with file.open("w") as out:
            host.popen([sys.executable, Path(__file__).with_name("watch.py"), address], stdout=out)

    @property
    def seen(self) -> list[dict[str, Any]]:
        """Everything so far, oldest first."""
        lines = self._file.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    @property
    def now(self) -> dict[str, Any]:
        """The cluster as it was last seen."""
        return wait_for(lambda: self.seen, "the first look at the cluster")[-1]

    def nodes_of(self, *actors: str) -> list[str]:
        """Addresses of the nodes where live actors of some classes are."""
        return [address for name, address, *_ in self.now["actors"] if name in actors]

    def empty(self) -> bool:
        """Whether no actor and no placement group is there."""
        return not self.now["actors"] and not self.now["groups"]

    def close(self) -> None:
        """End it."""
        for process in self._host.processes("watch.py"):
            process.kill()
