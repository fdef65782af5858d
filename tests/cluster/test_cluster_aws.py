"""cluster.yaml and deploy/aws.yaml against a simulated AWS (moto): from the stack to nodes and back to none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher_files import AWS, ROOT, read

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
STACK = ROOT / "deploy" / "aws.yaml"
BUCKET = "bucket-of-a-test"
REGION = "us-west-2"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A simulated account with the stack in it, a home without keys, and the checkout as current directory."""
    moto = pytest.importorskip("moto")
    import boto3

    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(key)
        patch.setenv("AWS_ACCESS_KEY_ID", "simulated")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.chdir(ROOT)
        with moto.mock_aws():
            boto3.client("cloudformation", REGION).create_stack(
                StackName="gluetune",
                TemplateBody=STACK.read_text(),
                Capabilities=["CAPABILITY_NAMED_IAM"],
                Parameters=[{"ParameterKey": "Bucket", "ParameterValue": BUCKET}],
            )
            yield boto3


@pytest.fixture(scope="module")
def cluster(aws: Any) -> dict[str, Any]:
    """The configuration as `ray up` completes it; the simulation does not resolve AWS's own image parameters."""
    from ray.autoscaler._private.commands import _bootstrap_config

    image = aws.client("ec2", REGION).describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    config = read(AWS)
    assert config["provider"]["region"] == REGION
    for node in config["available_node_types"].values():
        assert node["node_config"]["ImageId"].startswith("resolve:ssm:/aws/service/")
        node["node_config"]["ImageId"] = image
    return _bootstrap_config(config, no_config_cache=True)


def launch(provider: Any, cluster: dict[str, Any], name: str) -> list[str]:
    """A node made as the launcher makes the head and the autoscaler its workers."""
    kind = "head" if name == cluster["head_node_type"] else "worker"
    tags = {
        "ray-node-kind": kind,
        "ray-launch-config": "hash",
        "ray-node-status": "uninitialized",
        "ray-user-node-type": name,
        "ray-node-name": f"ray-gluetune-{kind}",
    }
    return list(provider.create_node(dict(cluster["available_node_types"][name]["node_config"]), tags, 1))


def instances(aws: Any, ids: list[str]) -> list[dict[str, Any]]:
    reservations = aws.client("ec2", REGION).describe_instances(InstanceIds=ids)["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def allowed(aws: Any, role: str) -> dict[str, list[str]]:
    """What a role's policies allow: actions by resource."""
    iam = aws.client("iam")
    documents, found = [], dict[str, list[str]]()
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        documents.append(
            iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
        )
    for statement in (statement for document in documents for statement in document["Statement"]):
        actions = statement["Action"]
        found.setdefault(statement["Resource"], []).extend([actions] if isinstance(actions, str) else actions)
    return found


def test_workers_may_use_the_bucket_and_nothing_else(aws: Any) -> None:
    assert set(allowed(aws, "gluetune-worker")) == {f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"}


def test_the_head_may_launch_workers_with_their_role_only(aws: Any) -> None:
    head = allowed(aws, "gluetune-head")
    assert {"ec2:RunInstances", "ec2:CreateTags", "ec2:TerminateInstances"} <= set(head["*"])
    (passed,) = [resource for resource, actions in head.items() if "iam:PassRole" in actions]
    assert passed.endswith(":role/gluetune-worker")
    assert f"arn:aws:s3:::{BUCKET}/*" in head


def test_the_template_passes_amazons_linter_and_keeps_the_bucket_private() -> None:
    linter = pytest.importorskip("cfnlint.api")
    assert linter.lint_file(STACK) == []
    template, _ = pytest.importorskip("cfnlint.decode").decode(str(STACK))
    bucket = template["Resources"]["Store"]
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["DeletionPolicy"] == "Retain", "the stack's end must not take the results with it"


def test_ray_makes_a_key_and_opens_ssh_only(aws: Any, cluster: dict[str, Any]) -> None:
    key = Path(cluster["auth"]["ssh_private_key"])
    assert key.name == "gluetune.pem"
    assert key.stat().st_mode & 0o077 == 0
    (group,) = cluster["available_node_types"]["head"]["node_config"]["SecurityGroupIds"]
    (rules,) = aws.client("ec2", REGION).describe_security_groups(GroupIds=[group])["SecurityGroups"]
    open_ports = [(rule["FromPort"], rule["ToPort"]) for rule in rules["IpPermissions"] if rule["IpRanges"]]
    assert open_ports == [(22, 22)]


def test_nodes_come_as_configured_and_go(aws: Any, cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.providers import _get_node_provider

    provider = _get_node_provider(cluster["provider"], cluster["cluster_name"], use_cache=False)
    names = ("head", "gpu-spot", "gpu-on-demand")
    ids = [node for name in names for node in launch(provider, cluster, name)]
    head, spot, on_demand = (instances(aws, [node])[0] for node in ids)
    assert [node.get("InstanceLifecycle") for node in (head, spot, on_demand)] == [None, "spot", None]
    assert [node["IamInstanceProfile"]["Arn"].split("/")[-1] for node in (head, spot, on_demand)] == [
        "gluetune-head",
        "gluetune-worker",
        "gluetune-worker",
    ]
    assert {node["MetadataOptions"]["HttpTokens"] for node in (head, spot, on_demand)} == {"required"}
    assert {node["KeyName"] for node in (head, spot, on_demand)} == {"gluetune"}
    assert len(provider.non_terminated_nodes({"ray-node-kind": "worker"})) == 2
    provider.terminate_nodes(provider.non_terminated_nodes({}))
    assert provider.non_terminated_nodes({}) == []
    assert {node["State"]["Name"] for node in instances(aws, ids)} <= {"shutting-down", "terminated"}
