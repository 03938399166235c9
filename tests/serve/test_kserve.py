"""The manifests of deploy/kserve/ fit KServe's types, and start the server as it can be started."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from warmstart.cli.serve import command

yaml = pytest.importorskip("yaml")
FOLDER = Path(__file__).parents[2] / "deploy" / "kserve"
TEXT = {"type": "string"}


def closed(required=(), **properties):
    """An object of these fields only: a field that KServe does not know is dropped or refused."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def many(items):
    return {"type": "array", "items": items, "minItems": 1}


PROBE = closed(
    ["httpGet"],
    httpGet=closed(["path", "port"], path=TEXT, port={"type": "integer"}),
    periodSeconds={"type": "integer"},
)
AMOUNTS = closed(cpu=TEXT, memory=TEXT)
CONTAINER = closed(
    ["name", "image"],
    name={"const": "kserve-container"},
    image=TEXT,
    args=many(TEXT),
    ports=many(closed(["containerPort"], containerPort={"type": "integer"}, protocol=TEXT)),
    readinessProbe=PROBE,
    livenessProbe=PROBE,
    securityContext=closed(
        allowPrivilegeEscalation={"type": "boolean"},
        runAsNonRoot={"type": "boolean"},
        capabilities=closed(drop=many(TEXT)),
    ),
    resources=closed(requests=AMOUNTS, limits=AMOUNTS),
)
FORMAT = closed(
    ["name"],
    name=TEXT,
    version=TEXT,
    autoSelect={"type": "boolean"},
    priority={"type": "integer", "minimum": 1},
)
SPECS = {
    "ServingRuntime": closed(
        ["containers"],
        annotations={"type": "object", "additionalProperties": TEXT},
        supportedModelFormats=many(FORMAT),
        protocolVersions=many({"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]}),
        containers=many(CONTAINER),
    ),
    "InferenceService": closed(
        ["predictor"],
        predictor=closed(
            ["model"],
            model=closed(
                ["modelFormat"],
                modelFormat=closed(["name"], name=TEXT, version=TEXT),
                protocolVersion=TEXT,
                storageUri=TEXT,
            ),
        ),
    ),
}
"""The fields in use, as KServe's types of v1alpha1 and v1beta1 have them."""
VERSIONS = {"ServingRuntime": "v1alpha1", "InferenceService": "v1beta1"}


def manifests():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    loaded = [yaml.safe_load((FOLDER / name).read_text()) for name in kustomization["resources"]]
    return {one["kind"]: one for one in loaded}


def test_manifests_have_the_fields_of_kserve():
    found = manifests()
    assert found.keys() == SPECS.keys()
    for kind, manifest in found.items():
        assert manifest["apiVersion"] == f"serving.kserve.io/{VERSIONS[kind]}"
        Draft202012Validator(SPECS[kind]).validate(manifest["spec"])


def test_the_runtime_starts_the_server():
    found = manifests()
    runtime = found["ServingRuntime"]["spec"]
    (container,) = runtime["containers"]
    dockerfile = (FOLDER.parents[1] / "Dockerfile").read_text()
    assert "--port" in dockerfile
    assert f'"{container["ports"][0]["containerPort"]}"' in dockerfile
    arguments = [one.replace("{{.Name}}", "flowers") for one in container["args"]]
    context = command.make_context("serve", arguments)
    assert context.params["models"] == ("flowers=/mnt/models",)
    model = found["InferenceService"]["spec"]["predictor"]["model"]
    formats = [(one["name"], one["version"]) for one in runtime["supportedModelFormats"]]
    assert (model["modelFormat"]["name"], model["modelFormat"]["version"]) in formats
    assert model["protocolVersion"] in runtime["protocolVersions"]
