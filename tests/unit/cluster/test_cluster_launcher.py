"""cluster.yaml and its variants: against Ray's own schema, and against what that schema lets through."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from launcher_files import AWS, FILES, GCP, ON_PREMISE, ROOT, pinned, ray_arguments, read

CLOUDS = (AWS, GCP)
PROVIDER = {
    AWS: {"type", "region", "cache_stopped_nodes", "key_pair"},
    GCP: {"type", "region", "availability_zone", "project_id"},
    ON_PREMISE: {"type", "head_ip", "worker_ips"},
}
GCP_NODE = {"machineType", "disks", "guestAccelerators", "scheduling", "serviceAccounts"}  # of instances.insert
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
every_cloud = pytest.mark.parametrize("path", CLOUDS, ids=lambda path: path.stem)


def workers(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    types = cluster["available_node_types"]
    return {name: node for name, node in types.items() if name != cluster["head_node_type"]}


def ray_starts(cluster: dict[str, Any], kind: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The environment and the arguments of the only `ray start` of a kind of node."""
    (command,) = [line for line in cluster[f"{kind}_start_ray_commands"] if "ray start" in line]
    words = shlex.split(command.split(";")[-1])
    assignments = list(takewhile(lambda word: "=" in word, words))
    return dict(word.split("=", 1) for word in assignments), ray_arguments(words[len(assignments) :])


@every_file
def test_rays_launcher_accepts_it(path: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(read(path)))


@every_file
def test_the_provider_gets_nothing_that_it_ignores(path: Path) -> None:
    provider = read(path)["provider"]
    assert set(provider) == PROVIDER[path]
    assert all(provider[key] not in ("", None) for key in provider)


@every_file
def test_a_user_edits_three_marked_places(path: Path) -> None:
    marks = re.findall(r"# <- (\d): \S", path.read_text())
    assert sorted(marks) == ["1", "2", "3"]
    unmarked = [line for line in path.read_text().splitlines() if "YOUR-" in line and "# <-" not in line]
    assert not unmarked


@every_cloud
def test_gpu_nodes_come_and_go_and_the_head_trains_nothing(path: Path) -> None:
    cluster = read(path)
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"]["CPU"] == 0
    assert head["resources"]["driver"] > 0
    assert "GPU" not in head["resources"]
    assert cluster["max_workers"] > 0
    assert cluster["idle_timeout_minutes"] > 0
    for node in workers(cluster).values():
        assert node["min_workers"] == 0
        assert 0 < node["max_workers"] <= cluster["max_workers"]
        assert node["resources"]["GPU"] >= 1
        assert node["resources"]["CPU"] >= 1


@every_cloud
def test_spot_nodes_come_before_equal_ones_on_demand(path: Path) -> None:
    spot, on_demand = (workers(read(path))[f"gpu-{kind}"] for kind in ("spot", "on-demand"))
    assert spot["resources"] == on_demand["resources"], "Ray weighs priorities only between equals"
    assert spot["priority"] > on_demand.get("priority", 0)
    assert "spot" in str(spot["node_config"]).lower()
    assert "spot" not in str(on_demand["node_config"]).lower()


def test_amazon_knows_every_key_of_a_node() -> None:
    loaders = pytest.importorskip("botocore.loaders")
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    run = ServiceModel(loaders.Loader().load_service_model("ec2", "service-2")).operation_model("RunInstances")
    for node in read(AWS)["available_node_types"].values():
        filled = node["node_config"] | {"MinCount": 1, "MaxCount": 1}
        problems = ParamValidator().validate(filled, run.input_shape)
        assert not problems.has_errors(), problems.generate_report()
        assert set(filled) <= set(run.input_shape.members)
        assert filled["IamInstanceProfile"]["Name"] in (ROOT / "deploy" / "aws.yaml").read_text()


def test_google_nodes_have_known_keys() -> None:
    for node in read(GCP)["available_node_types"].values():
        assert set(node["node_config"]) <= GCP_NODE


@every_file
def test_the_dashboard_stays_on_loopback_and_only_the_head_autoscales(path: Path) -> None:
    _, head = ray_starts(read(path), "head")
    _, worker = ray_starts(read(path), "worker")
    assert head["head"]
    assert head["dashboard_host"] == "127.0.0.1"
    assert head["autoscaling_config"] == "~/ray_bootstrap_config.yaml"
    assert head["num_cpus"] == 0
    assert worker["address"] == "$RAY_HEAD_IP:6379"
    assert worker["autoscaling_config"] is None


@every_file
def test_every_node_asks_for_the_same_token(path: Path) -> None:
    cluster = read(path)
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for kind in ("head", "worker"):
        assert ray_starts(cluster, kind)[0]["RAY_AUTH_MODE"] == "token"
    assert any("RAY_AUTH_MODE=token" in line and "~/.bashrc" in line for line in cluster["setup_commands"])


@every_file
def test_a_stopped_job_has_time_to_end(path: Path) -> None:
    assert int(ray_starts(read(path), "head")[0]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 30


@every_file
def test_every_node_installs_the_pinned_versions(path: Path) -> None:
    import ray

    cluster = read(path)
    (install,) = [line for line in cluster["setup_commands"] if "pip install" in line]
    assert "-c ~/gluetune/constraints.txt" in install
    assert cluster["file_mounts"]["~/gluetune/constraints.txt"] == "constraints.txt"
    assert pinned("ray") == ray.__version__, "the launcher's Ray must be the nodes'"


@every_file
def test_what_is_sent_to_the_nodes_is_here_and_small(path: Path) -> None:
    for remote, local in read(path)["file_mounts"].items():
        if not local.startswith("~"):
            assert (ROOT / local).exists(), remote
            assert not (ROOT / local / ".git").exists(), "Ray reads every byte below a mount"


@every_file
def test_the_head_serves_mlflow_from_the_marked_store(path: Path) -> None:
    store, install = read(path)["head_setup_commands"]
    assert re.search(r"MLFLOW_STORE=\S+/mlflow", store)
    assert (ROOT / install.split("~/gluetune/")[1]).exists()


@every_file
def test_every_command_is_valid_shell(path: Path) -> None:
    cluster = read(path)
    for key in (key for key in cluster if key.endswith("_commands")):
        for command in cluster[key]:
            subprocess.run(["bash", "-n", "-c", command], check=True)


def test_the_variants_set_nodes_up_as_amazons_are() -> None:
    aws = read(AWS)
    for path in (GCP, ON_PREMISE):
        other = read(path)
        assert other["file_mounts"] == aws["file_mounts"]
        assert other["worker_start_ray_commands"] == aws["worker_start_ray_commands"]
        assert other["rsync_exclude"] == aws["rsync_exclude"]


def running_head(resources: dict[str, float]) -> Any:
    """A head as the autoscaler sees it."""
    from ray.autoscaler.v2.schema import AutoscalerInstance
    from ray.core.generated.autoscaler_pb2 import NodeState, NodeStatus
    from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

    node = NodeState(
        node_id=b"head",
        ray_node_type_name="head",
        status=NodeStatus.RUNNING,
        total_resources=resources,
        available_resources=resources,
    )
    return AutoscalerInstance(
        ray_node=node,
        cloud_instance_id="i-head",
        im_instance=Instance(
            instance_id="head", instance_type="head", status=Instance.RAY_RUNNING, node_kind=NodeKind.HEAD
        ),
    )


def launched(demand: list[dict[str, float]], failed: str | None = None) -> dict[str, int]:
    """What Ray's autoscaler launches of cluster.yaml's nodes for a demand, where a type has just been out of stock."""
    from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil

    cluster = read(AWS)
    config = AutoscalingConfig(cluster, skip_content_hash=True)
    stock = {name: 0.0 if name == failed else 1.0 for name in workers(cluster)}
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=config.get_node_type_configs(),
            max_num_nodes=config.get_max_num_nodes(),
            cloud_resource_availabilities=stock,
            recoverable_resource_availabilities=stock,
            current_instances=[running_head(cluster["available_node_types"]["head"]["resources"])],
            resource_requests=ResourceRequestUtil.group_by_count([ResourceRequestUtil.make(each) for each in demand]),
        )
    )
    return {launch.instance_type: launch.count for launch in reply.to_launch}


LANE = {"CPU": 4.0, "GPU": 1.0}


def test_lanes_get_spot_nodes_then_nodes_on_demand_and_never_more_than_all() -> None:
    assert launched([LANE] * 3) == {"gpu-spot": 3}
    assert launched([LANE] * 3, failed="gpu-spot") == {"gpu-on-demand": 2, "gpu-spot": 1}
    assert sum(launched([LANE] * 20).values()) == read(AWS)["max_workers"]


def test_what_drives_lanes_needs_no_gpu_node() -> None:
    from gluetune.cluster.resources import DRIVER, DRIVER_SHARE

    assert launched([{DRIVER: DRIVER_SHARE}] * 8) == {}
