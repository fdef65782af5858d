"""A head with Ray's autoscaler over `slow_nodes.SlowNodes`, on a host of its own."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from ray.cluster_utils import FAKE_HEAD_NODE_ID

from hosts import Host

MOST_NODES = 3
HEAD, WORKER = "ray.head.default", "worker"
LEFT_EMPTY = (
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "initialization_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
    "cluster_synced_files",
    "rsync_exclude",
    "rsync_filter",
)


def config() -> dict[str, Any]:
    """As `ray up` would make it from a launcher file: up to three nodes of one CPU; idle ones go after six seconds."""
    return {
        "cluster_name": "fake_multinode",
        "max_workers": MOST_NODES,
        "idle_timeout_minutes": 0.1,
        "upscaling_speed": 1.0,
        "head_node_type": HEAD,
        "provider": {
            "type": "external",
            "module": "slow_nodes.SlowNodes",
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": FAKE_HEAD_NODE_ID,
        },
        "available_node_types": {
            HEAD: {"resources": {"CPU": 0, "driver": 1}, "node_config": {}, "max_workers": 0},
            WORKER: {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": MOST_NODES},
        },
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        **{key: [] for key in LEFT_EMPTY},
    }


def give_token(host: Host) -> None:
    """Put a token where Ray looks for it."""
    host.run(["bash", "-c", f"mkdir -p ~/.ray && printf {secrets.token_hex(32)} > ~/.ray/auth_token"])


def start_head(host: Host, folder: Path) -> None:
    """Start the head; its Jobs API listens on the host's loopback."""
    (folder / "autoscaling.json").write_text(json.dumps(config()))
    host.run(["bash", "-c", f"cp {folder}/autoscaling.json ~/ray_bootstrap_config.yaml"])  # as `ray up` does
    host.run(
        [
            "ray",
            "start",
            "--head",
            "--port=6379",
            "--num-cpus=0",
            '--resources={"driver": 1}',
            "--object-store-memory=300000000",
            f"--autoscaling-config={folder / 'autoscaling.json'}",
            "--disable-usage-stats",
        ],
        env={
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
            "PYTHONPATH": str(Path(__file__).parent),
        },
    )
