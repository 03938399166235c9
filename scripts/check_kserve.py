"""Check the manifests of deploy/kserve/ against KServe's own types, and against CRDs.

    pip install kserve kubernetes pyyaml jsonschema
    python scripts/check_kserve.py [CRD.yaml ...]

KServe generates its Python types and its CRDs from the same definitions. A CRD is checked as a
cluster with strict field validation does it: an unknown field is an error. Those of a release are
in `config/crd/full` of its repository, or `kubectl get crd -o yaml` prints them.

KServe's dependencies do not go together with those of the tests, so this needs an environment of
its own.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kserve.models
import yaml
from jsonschema import Draft202012Validator
from kubernetes import client

FOLDER = Path(__file__).parents[1] / "deploy" / "kserve"
TYPES = {
    "ServingRuntime": ("v1alpha1", "V1alpha1ServingRuntime"),
    "InferenceService": ("v1beta1", "V1beta1InferenceService"),
}
"""By kind: the version of the API, and the name of KServe's type."""
PLAIN: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
ANY = {"object", "ResourceQuantity", "IntOrString"}
"""Types whose values are not plain ones of Python."""


def problems(value: Any, name: str, path: str) -> Iterator[str]:
    """What of a value does not fit a type of the generated code, such as "list[V1Container]"."""
    if match := re.fullmatch(r"[lL]ist\[(.+)]", name):
        if not isinstance(value, list):
            yield f"{path} is not a list"
            return
        for index, item in enumerate(value):
            yield from problems(item, match[1], f"{path}[{index}]")
    elif match := re.fullmatch(r"(?:dict\(|Dict\[)(.+), (.+)[)\]]", name):
        if not isinstance(value, dict):
            yield f"{path} is not an object"
            return
        for key, item in value.items():
            yield from problems(key, match[1], f"{path}, key {key!r}")
            yield from problems(item, match[2], f"{path}.{key}")
    elif name in PLAIN:
        if not isinstance(value, PLAIN[name]) or (isinstance(value, bool) and name != "bool"):
            yield f"{path} is {value!r}, not a {name}"
    elif name not in ANY:
        yield from problems_of_object(value, name, path)


def problems_of_object(value: Any, name: str, path: str) -> Iterator[str]:
    """Unknown fields, wrong values and missing fields of an object."""
    if not isinstance(value, dict):
        yield f"{path} is not an object"
        return
    cls = getattr(kserve.models, name, None) or getattr(client, name)
    attributes = {key: attribute for attribute, key in cls.attribute_map.items()}
    for key, item in value.items():
        if key not in attributes:
            yield f"{path}.{key} is not a field of {name}"
        else:
            yield from problems(item, cls.openapi_types[attributes[key]], f"{path}.{key}")
    try:
        cls(**{attributes[key]: item for key, item in value.items() if key in attributes})
    except ValueError as error:
        yield f"{path}: {error}"


def closed(schema: Any) -> Any:
    """A schema of a CRD whose objects have no fields but their own."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    own = {key: closed(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        own.pop("type", None)
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), Mapping) and not is_open:
        own["additionalProperties"] = False
    return own


def schemas(path: Path) -> Iterator[tuple[str, Any]]:
    """(kind, schema) of each CRD in a file."""
    for document in yaml.safe_load_all(path.read_text()):
        spec = document["spec"]
        kind = spec["names"]["kind"]
        for version in spec["versions"]:
            if kind in TYPES and version["name"] == TYPES[kind][0]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                yield kind, schema


def main() -> int:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    manifests = {
        manifest["kind"]: (name, manifest)
        for name in kustomization["resources"]
        for manifest in [yaml.safe_load((FOLDER / name).read_text())]
    }
    errors: list[str] = []
    for kind, (name, manifest) in manifests.items():
        version, cls = TYPES[kind]
        if manifest["apiVersion"] != f"serving.kserve.io/{version}":
            errors.append(f"{name}: the apiVersion is {manifest['apiVersion']}, not {version}")
        errors += problems(manifest, cls, name)
        print(f"{name}: compared with KServe's types")
    for path in map(Path, sys.argv[1:]):
        for kind, schema in schemas(path):
            name, manifest = manifests[kind]
            for error in Draft202012Validator(schema).iter_errors(manifest):
                errors.append(f"{name}: {error.json_path}: {error.message}")
            print(f"{name}: compared with {path}")
    print(*errors, sep="\n", end="\n" if errors else "")
    return int(bool(errors))


if __name__ == "__main__":
    raise SystemExit(main())
