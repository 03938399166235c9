"""What the OpenAPI document says is what the server does."""

import pytest

pytest.importorskip("schemathesis")

CASES = 5


def test_the_document_is_well_formed(client):
    told = client.get("/openapi.json").json
    assert told["openapi"] == "3.1.0"
    assert {
        "/v1/predict/cifar10_resnet20",
        "/v2/models/deepar/infer",
        "/v1/completions",
    } <= told["paths"].keys()
    assert "/v1/embeddings" not in told["paths"]
    for path, methods in told["paths"].items():
        for method in methods:
            if method == "get":
                assert client.get(path).status == 200


def test_answers_are_as_the_document_says(client):
    import schemathesis

    from .contract import check, operations

    schema = schemathesis.openapi.from_url(f"{client.address}/openapi.json")
    counts = {operation.label: check(operation, CASES) for operation in operations(schema)}
    assert counts["POST /v1/predict/cifar10_resnet20"] >= 2 * CASES
    assert len(counts) > 20
