"""The Open Inference Protocol, by tritonclient and by hand."""

import base64
import io
import json

import numpy as np
import pytest

INFER = "/v2/models/cifar10_resnet20/infer"


@pytest.fixture(scope="module")
def triton(client):
    http = pytest.importorskip("tritonclient.http")
    found = http.InferenceServerClient(client.host)
    yield found
    found.close()


@pytest.fixture(scope="module")
def pixels(models, cat):
    return np.stack([models["cifar10_resnet20"].preprocess(cat)] * 2)


def test_health_and_metadata(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("cifar10_resnet20")
    assert triton.is_model_ready("cifar10_resnet20", "1")
    assert not triton.is_model_ready("cifar10_resnet20", "7")
    assert not triton.is_model_ready("nothing")
    extensions = ["binary_tensor_data", "model_configuration", "statistics"]
    assert triton.get_server_metadata()["extensions"] == extensions
    told = triton.get_model_metadata("cifar10_resnet20")
    assert told["versions"] == ["1"]
    assert {"name": "image", "datatype": "BYTES", "shape": [-1]} in told["inputs"]
    assert {"name": "images", "datatype": "FP32", "shape": [-1, 32, 32, 3]} in told["inputs"]
    assert {"label", "score", "answer", "probabilities", "features"} == {
        one["name"] for one in told["outputs"]
    }


@pytest.mark.parametrize("binary", [True, False])
def test_arrays_of_the_program(triton, models, pixels, binary):
    from tritonclient.http import InferInput, InferRequestedOutput

    given = InferInput("images", list(pixels.shape), "FP32")
    given.set_data_from_numpy(pixels, binary_data=binary)
    outputs = [InferRequestedOutput("probabilities", binary_data=binary)]
    for packed in (None, "gzip", "deflate"):
        answer = triton.infer(
            "cifar10_resnet20",
            [given],
            outputs=outputs,
            request_id="7",
            request_compression_algorithm=packed,
            response_compression_algorithm=packed,
        )
        expected = models["cifar10_resnet20"].engine.run("forward", images=pixels)["probabilities"]
        np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, atol=1e-6)
        assert answer.get_response()["id"] == "7"
        assert answer.as_numpy("features") is None


@pytest.mark.parametrize("binary", [True, False])
def test_photos_as_bytes(triton, models, cat, binary):
    from tritonclient.http import InferInput, InferRequestedOutput

    given = InferInput("image", [2], "BYTES")
    given.set_data_from_numpy(np.array([cat, cat], object))
    names = ("label", "score", "answer")
    answer = triton.infer(
        "cifar10_resnet20",
        [given],
        parameters={"top_k": 2},
        outputs=[InferRequestedOutput(name, binary_data=binary) for name in names],
    )
    expected = models["cifar10_resnet20"](cat, top_k=2)
    assert answer.as_numpy("label").tolist() in ([b"cat"] * 2, ["cat"] * 2)
    np.testing.assert_allclose(answer.as_numpy("score"), [expected.score] * 2, atol=1e-6)
    assert (
        json.loads(answer.as_numpy("answer")[1])["predictions"] == expected.to_dict()["predictions"]
    )


def test_pixels_texts_and_series(triton, models, cat):
    from PIL import Image
    from tritonclient.http import InferInput

    photo = np.asarray(Image.open(io.BytesIO(cat)))
    given = InferInput("image", list(photo.shape), "UINT8")
    given.set_data_from_numpy(photo)
    assert triton.infer("cifar10_resnet20", [given]).as_numpy("label")[0] == b"cat"
    text = InferInput("text", [2], "BYTES")
    text.set_data_from_numpy(np.array([b"ROMEO:", "JULIET:"], object), binary_data=False)
    answer = triton.infer(
        "shakespeare_gpt2", [text], parameters={"max_new_tokens": 8, "temperature": 0}
    )
    expected = models["shakespeare_gpt2"](["ROMEO:", "JULIET:"], max_new_tokens=8, temperature=0)
    assert [one.decode() for one in answer.as_numpy("text")] == [one.text for one in expected]
    values = np.sin(np.arange(80).reshape(2, 40))
    series = InferInput("series", [2, 40], "FP64")
    series.set_data_from_numpy(values)
    answer = triton.infer("deepar", [series], parameters={"horizon": 5, "samples": 10})
    assert answer.as_numpy("mean").shape == (2, 5)


def test_a_photo_in_json_is_base64(client, cat):
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [1],
        "data": [base64.b64encode(cat).decode()],
    }
    answer = client.post(INFER, {"inputs": [tensor], "outputs": [{"name": "label"}]})
    assert answer.json["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["cat"]}
    ]


def test_a_body_that_is_the_file(client, cat):
    answer = client.post(INFER, cat, Inference_Header_Content_Length="0")
    assert {one["name"]: one["data"] for one in answer.json["outputs"]}["label"] == ["cat"]


IMAGES = {"name": "images", "datatype": "FP32", "shape": [1, 32, 32, 3], "data": [0.5] * 3072}
TEXT = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["x"]}


def test_a_request_may_repeat_its_address(client):
    repeated = {"model_name": "cifar10_resnet20", "model_version": "1"}
    assert client.post(INFER, {"inputs": [IMAGES], **repeated}).status == 200
    latest = {"model_version": ""}
    assert client.post(INFER, {"inputs": [IMAGES], **latest}).status == 200
    of_version = INFER.replace("/infer", "/versions/2/infer")
    for path, version, status in ((INFER, {"model_version": "2"}, 400), (of_version, {}, 404)):
        answer = client.post(path, {"inputs": [IMAGES], **version})
        assert answer.status == status
        message = "There is no version '2' of cifar10_resnet20; it has version '1' only."
        assert answer.json["error"] == message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [1, 32, 32]}, "elements"),
        ({"shape": [-1, 32, 32, 3]}, "shape"),
        ({"shape": [0, 32, 32, 3]}, "0 el"),
        ({"shape": [1, 32, 32, 3, 1]}, "has the shape"),
        ({"shape": []}, "shape"),
        ({"shape": "x"}, "shape"),
        ({"shape": [2**62, 2**62]}, "shape"),
        ({"shape": [2**30, 2**30]}, "more than any body"),
        ({"shape": [1.5]}, "shape"),
        ({"shape": [True, 3072]}, "shape"),
        ({"shape": [1] * 9}, "shape"),
        ({"shape": [1, 3072]}, "has the shape"),
        ({"datatype": "INT32"}, "not all INT32"),
        ({"datatype": "FP64"}, "is FP32, not FP64"),
        ({"datatype": "X"}, "datat"),
        ({"datatype": "BYTES"}, "strings"),
        ({"datatype": None}, "datatype"),
        ({"name": "x"}, "no input 'x'"),
        ({"name": 3}, "name"),
        ({"name": ""}, "name"),
        ({"data": [0.5] * 3071}, "3072 elements, not 3071"),
        ({"data": "x"}, "array"),
        ({"data": [[0.5], [1, 2]]}, "equal lengths"),
        ({"data": ["a"] * 3072}, "not all FP32"),
        ({"data": [1e39] * 3072}, "fit"),
        ({"data": [None] * 3072}, ""),
        ({"data": [10**400] * 3072}, ""),
        ({"extra": 1}, "unknown key"),
        ({"parameters": {"binary_data_size": 12}}, "either data or"),
        ({"parameters": {"binary_data_size": -1}, "data": None}, "whole number"),
        ({"parameters": []}, "parameters"),
    ],
)
def test_wrong_tensors(client, change, said):
    answer = client.post(INFER, {"inputs": [{**IMAGES, **change}]})
    assert answer.status == 400
    assert said in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "inputs"),
        ([], "object"),
        ({"inputs": []}, "at least one"),
        ({"inputs": [3]}, "object"),
        ({"inputs": [IMAGES, IMAGES]}, "twice"),
        ({"inputs": [IMAGES], "id": 3}, "id"),
        ({"inputs": [IMAGES], "model_name": "another"}, "the URL"),
        ({"inputs": [IMAGES], "more": 3}, "unknown key"),
        ({"inputs": [IMAGES], "parameters": {"top_k": 3}}, "parameter"),
        ({"inputs": [IMAGES], "outputs": [{"name": "features"}] * 2}, "twice"),
        ({"inputs": [IMAGES], "outputs": [{"name": "label"}]}, "no output 'label'"),
        ({"inputs": [IMAGES], "outputs": [{}]}, "name"),
        ({"inputs": [IMAGES], "outputs": 3}, "array"),
        (
            {
                "inputs": [IMAGES],
                "outputs": [{"name": "features", "parameters": {"classification": 3}}],
            },
            "classification",
        ),
        ({"inputs": [IMAGES, TEXT]}, "takes image"),
        ({"inputs": [TEXT]}, "row 1"),
        ({"inputs": [{**TEXT, "shape": [65], "data": ["x"] * 65}]}, "65 rows"),
        ({"inputs": [{**TEXT, "shape": [1, 1, 1]}]}, "[rows, 1]"),
        ({"inputs": [{**TEXT, "data": ["\ud800"]}]}, "JSON"),
    ],
)
def test_wrong_requests(client, body, said):
    answer = client.post(INFER, body)
    assert answer.status in (400, 413)
    assert said in answer.json["error"]


@pytest.mark.parametrize(
    ("length", "size", "tail"),
    [
        ("99999", 12288, 12288),
        ("-1", 12288, 12288),
        ("abc", 12288, 12288),
        ("9" * 30, 12288, 12288),
        ("5", 12288, 12288),
        (None, 12287, 12287),
        (None, 12288, 12287),
        (None, 12288, 12289),
        (None, 2**70, 10),
        ("", 12288, 12288),
    ],
)
def test_wrong_binary_lengths(client, length, size, tail):
    tensor = {
        "name": "images",
        "datatype": "FP32",
        "shape": [1, 32, 32, 3],
        "parameters": {"binary_data_size": size},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    answer = client.post(
        INFER,
        head + b"\0" * tail,
        Inference_Header_Content_Length=str(len(head)) if length is None else length,
    )
    assert answer.status == 400
    assert answer.json.keys() == {"error"}


@pytest.mark.parametrize(
    "data", [b"\1\0\0", b"\xff\xff\xff\xff", b"\1\0\0\0", b"\1\0\0\0a\1\0\0\0b", b""]
)
def test_wrong_bytes_elements(client, data):
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "image",
                    "datatype": "BYTES",
                    "shape": [1],
                    "parameters": {"binary_data_size": len(data)},
                }
            ]
        }
    ).encode()
    answer = client.post(INFER, head + data, Inference_Header_Content_Length=str(len(head)))
    assert answer.status == 400


def test_not_finite_numbers_are_refused(client):
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "images",
                    "datatype": "FP32",
                    "shape": [1, 32, 32, 3],
                    "parameters": {"binary_data_size": 12288},
                }
            ]
        }
    ).encode()
    answer = client.post(
        INFER,
        head + np.full(3072, np.nan, "<f4").tobytes(),
        Inference_Header_Content_Length=str(len(head)),
    )
    assert answer.status == 400
    assert "finite" in answer.json["error"]


def test_configuration_and_statistics(triton, client, cat):
    config = triton.get_model_config("cifar10_resnet20")
    metadata = triton.get_model_metadata("cifar10_resnet20")
    assert [one["name"] for one in config["input"]] == [one["name"] for one in metadata["inputs"]]
    assert config["input"][0]["data_type"] == "TYPE_STRING"
    assert config["max_batch_size"] == 0
    path = "/v1/predict/cifar10_resnet20"

    def counts():
        (one,) = triton.get_inference_statistics("cifar10_resnet20")["model_stats"]
        stats = one["inference_stats"]
        return one["inference_count"], one["execution_count"], stats["fail"]["count"]

    before = counts()
    assert client.post(path, cat, Content_Type="image/jpeg").status == 200
    assert counts() == (before[0] + 1, before[1] + 1, before[2])
    every = triton.get_inference_statistics()["model_stats"]
    assert {one["name"] for one in every} >= {"cifar10_resnet20", "shakespeare_gpt2"}
    assert every[0]["inference_stats"]["success"]["ns"] >= 0


def test_parameters_of_tensors(client, cat):
    image = image_tensor(cat)
    ask = {"inputs": [{**image, "parameters": {"content_type": "jpg", "binary_data": False}}]}
    path = "/v2/models/cifar10_resnet20/infer"
    assert client.post(path, ask).status == 200
    for name in ("shared_memory_region", "shared_memory_byte_size"):
        answer = client.post(path, {"inputs": [{**image, "parameters": {name: "x"}}]})
        assert (answer.status, name in answer.json["error"]) == (400, True)
    bad = {**image, "shape": [2], "data": [*image["data"], "bm8gcGhvdG8="]}
    answer = client.post(path, {"inputs": [bad]})
    assert (answer.status, "row 2" in answer.json["error"]) == (400, True)


def test_the_shorter_of_two_timeouts_applies(client, cat):
    path, image = "/v2/models/cifar10_resnet20/infer", image_tensor(cat)
    request = {"inputs": [image], "parameters": {"timeout": 30_000_000}}
    assert client.post(path, request, X_Request_Timeout="20").status == 200
    request["parameters"]["timeout"] = 1
    assert client.post(path, request, X_Request_Timeout="20").status == 504
    request["parameters"]["timeout"] = 30_000_000
    assert client.post(path, request, X_Request_Timeout="1e-6").status == 504


def image_tensor(photo: bytes) -> dict:
    import base64

    data = [base64.b64encode(photo).decode()]
    return {"name": "image", "shape": [1], "datatype": "BYTES", "data": data}
