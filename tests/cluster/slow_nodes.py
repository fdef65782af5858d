"""A cloud for Ray's autoscaler: its nodes are processes on one host, and take their time to come, one by one."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_WORKER,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

FIRST_S, NEXT_S = 80.0, 25.0  # the first comes after a search has said what it waits for
START = (
    "mount -t tmpfs tmpfs /tmp/ray && exec ray start --block --address=127.0.0.1:6379 "
    "--dashboard-agent-listen-port=0 --object-store-memory=200000000 --disable-usage-stats"
)


class SlowNodes(FakeMultiNodeProvider):
    """Ray's fake nodes with a wait before each.

    Each has a /tmp/ray of its own: in a shared one, the first that has no more use for a job's files deletes them for
    all.
    """

    _one_by_one = threading.Lock()

    def create_node_with_resources_and_labels(
        self,
        node_config: dict[str, Any],
        tags: dict[str, str],
        count: int,
        resources: dict[str, float],
        labels: dict[str, str],
    ) -> None:
        """Start nodes; Ray's autoscaler calls it in threads of its own."""
        for _ in range(count):
            with self._one_by_one:
                time.sleep(NEXT_S if self._next_node_id else FIRST_S)
                self._start(tags, resources)

    def _start(self, tags: dict[str, str], resources: dict[str, float]) -> None:
        with self.lock:
            node = self._next_hex_node_id()
            kind = tags[TAG_RAY_USER_NODE_TYPE]
            identity = dict.fromkeys(("RAY_OVERRIDE_NODE_ID_FOR_TESTING", "RAY_CLOUD_INSTANCE_ID"), node)
            command = f"{START} --num-cpus={resources['CPU']:g}"
            process = subprocess.Popen(
                ["unshare", "--mount", "bash", "-c", command],
                start_new_session=True,
                env=os.environ | identity | {"RAY_NODE_TYPE_NAME": kind},
            )
            started: dict[str, Any] = {
                "process": process,
                "tags": {
                    TAG_RAY_NODE_KIND: NODE_KIND_WORKER,
                    TAG_RAY_USER_NODE_TYPE: kind,
                    TAG_RAY_NODE_NAME: node,
                    TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE,
                    **tags,
                },
            }
            self._nodes[node] = started

    def _terminate_node(self, node: dict[str, Any]) -> None:
        node["process"].send_signal(signal.SIGTERM)  # `ray start --block` ends what it has started
