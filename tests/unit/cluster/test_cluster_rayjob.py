"""deploy/kuberay/rayjob.yaml against the fields that KubeRay documents, or against its real CRD where that is at hand.

The closed lists of fields are those of KubeRay's API reference (ray.io/v1, 1.5). With GLUETUNE_RAYJOB_CRD, a path to
KubeRay's ``ray.io_rayjobs.yaml`` (in its Helm chart), the manifest is validated by that schema as a server would.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from launcher_files import ROOT, pinned

MANIFEST = ROOT / "deploy" / "kuberay" / "rayjob.yaml"
DOCKERFILE = ROOT / "Dockerfile"
TEXT, WHOLE, BOOL = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


QUANTITIES = {"type": "object", "additionalProperties": {"type": ["string", "integer"]}}
CONTAINER = closed(
    ["name", "image", "resources"],
    name=TEXT,
    image=TEXT,
    env=many(closed(["name"], name=TEXT, value=TEXT, valueFrom={"type": "object"})),
    envFrom=many(closed(["secretRef"], secretRef=closed(["name"], name=TEXT, optional=BOOL))),
    ports=many(closed(["containerPort"], containerPort=WHOLE, name={"type": "string", "maxLength": 15})),
    resources=closed(["requests", "limits"], requests=QUANTITIES, limits=QUANTITIES),
)
TOLERATION = closed(
    ["key"],
    key=TEXT,
    operator={"enum": ["Exists", "Equal"]},
    value=TEXT,
    effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
)
POD = closed(
    ["spec"],
    metadata={"type": "object"},
    spec=closed(
        ["containers"],
        serviceAccountName=TEXT,
        containers=many(CONTAINER),
        tolerations=many(TOLERATION),
        nodeSelector=TEXTS,
    ),
)
CLUSTER = closed(
    ["rayVersion", "headGroupSpec", "workerGroupSpecs"],
    rayVersion=TEXT,
    enableInTreeAutoscaling=BOOL,
    authOptions=closed(["mode"], mode={"enum": ["disabled", "token"]}),
    autoscalerOptions=closed(
        [],
        version={"enum": ["v1", "v2"]},
        idleTimeoutSeconds=WHOLE,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    ),
    headGroupSpec=closed(["template"], serviceType=TEXT, rayStartParams=TEXTS, template=POD, enableIngress=BOOL),
    workerGroupSpecs=many(
        closed(
            ["groupName", "template"],
            groupName=TEXT,
            replicas=WHOLE,
            minReplicas=WHOLE,
            maxReplicas=WHOLE,
            numOfHosts=WHOLE,
            idleTimeoutSeconds=WHOLE,
            rayStartParams=TEXTS,
            template=POD,
        )
    ),
)
JOB = closed(
    ["entrypoint", "rayClusterSpec"],
    entrypoint=TEXT,
    runtimeEnvYAML=TEXT,
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
    shutdownAfterJobFinishes=BOOL,
    ttlSecondsAfterFinished=WHOLE,
    backoffLimit=WHOLE,
    activeDeadlineSeconds=WHOLE,
    suspend=BOOL,
    rayClusterSpec=CLUSTER,
)
DOCUMENTED = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata={"type": "object"},
    spec=JOB,
)


def manifest() -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(MANIFEST)


def containers() -> list[dict[str, Any]]:
    cluster = manifest()["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [container for group in groups for container in group["template"]["spec"]["containers"]]


def forbid_unknown(schema: Any) -> Any:
    """A CRD's schema with unknown fields refused, which a server would silently drop."""
    if isinstance(schema, list):
        return [forbid_unknown(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: forbid_unknown(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made:
        made["additionalProperties"] = bool(made.get("x-kubernetes-preserve-unknown-fields"))
    return made


def test_every_field_is_documented() -> None:
    jsonschema.validate(manifest(), DOCUMENTED)


@pytest.mark.skipif("GLUETUNE_RAYJOB_CRD" not in os.environ, reason="GLUETUNE_RAYJOB_CRD names no CRD of KubeRay's")
def test_kuberays_own_schema_accepts_it() -> None:
    crd = YAML(typ="safe", pure=True).load(Path(os.environ["GLUETUNE_RAYJOB_CRD"]))
    (schema,) = [v["schema"]["openAPIV3Schema"] for v in crd["spec"]["versions"] if v["name"] == "v1"]
    schema["properties"]["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    jsonschema.validate(manifest(), forbid_unknown(schema))


def test_the_image_has_the_ray_that_the_operator_names() -> None:
    version = manifest()["spec"]["rayClusterSpec"]["rayVersion"]
    assert version == pinned("ray")
    assert f"rayproject/ray:{version}-" in DOCKERFILE.read_text()
    assert len({container["image"] for container in containers()}) == 1


def test_the_cluster_asks_for_a_token_and_goes_when_the_search_is_done() -> None:
    spec = manifest()["spec"]
    assert spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert spec["rayClusterSpec"]["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert spec["shutdownAfterJobFinishes"]


def test_workers_come_from_zero_and_the_head_trains_nothing() -> None:
    cluster = manifest()["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"]
    params = cluster["headGroupSpec"]["rayStartParams"]
    assert params["num-cpus"] == "0"
    assert json.loads(json.loads(params["resources"])) == {"driver": 1}, "quoted once more: it passes through a shell"
    for group in cluster["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == 0 < group["maxReplicas"]


def test_memory_is_bounded_by_what_is_asked_for() -> None:
    for container in containers():
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert requests["memory"] == limits["memory"]
        assert requests.get("nvidia.com/gpu") == limits.get("nvidia.com/gpu")


def test_the_image_holds_what_the_entrypoint_runs() -> None:
    from gluetune.cli.flags import parse
    from gluetune.cli.tune import TUNE

    words = manifest()["spec"]["entrypoint"].split()
    assert words[1].startswith("/home/ray/gluetune/jobs/")
    assert (ROOT / words[1].removeprefix("/home/ray/gluetune/")).exists()
    assert parse(words[2:], TUNE).overrides
    copied = [line.split()[2:-1] for line in DOCKERFILE.read_text().splitlines() if line.startswith("COPY")]
    assert {name for names in copied for name in names} >= {"jobs", "search_spaces", "platform", "constraints.txt"}
