"""One `register` is enough: a task from a single module works on every surface, with no other file
touched.
"""

import json
from pathlib import Path

import pytest
from tests.new_task import Brightness, BrightnessMeter
from tests.new_task_bundle import brightness_bundle

import warmstart as ws

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "photos" / "cat.jpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return brightness_bundle(tmp_path_factory.mktemp("models") / "meter")


def test_in_python(folder):
    model = ws.load(folder)
    assert type(model) is BrightnessMeter
    result = model(PHOTO, bands=3)
    assert isinstance(result, Brightness)
    assert result.to_dict().keys() == {"input", "model", "mean", "bands"}
    assert len(result.bands) == 3
    good, bad = model([PHOTO, b"no photo"])
    assert good
    assert not bad
    assert [r.mean for r in model.stream([PHOTO, PHOTO], scale=2.0)] == [2 * good.mean] * 2
    assert BrightnessMeter.load(folder).features(PHOTO).shape == (64,)
    with pytest.raises(ws.errors.UsageError, match="bands must be from 1 to 16"):
        model(PHOTO, bands=17)


def test_in_a_batch(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    done = ws.batch(
        ws.load(folder),
        [str(PHOTO), str(ROOT / "README.md")],
        tmp_path / "out",
        format="parquet",
        bands=1,
    )
    assert (done.rows, done.failed) == (2, 1)
    (file,) = (tmp_path / "out").glob("part-*.parquet")
    schema = parquet.read_schema(file)
    assert schema.names == ["row", "source", "input", "model", "mean", "bands"]
    assert (
        str(schema.field("bands").type) == "list<element: struct<top: double, brightness: double>>"
    )
    (row,) = done.results()
    assert row["bands"][0]["brightness"] == pytest.approx(row["mean"], abs=1e-5)


@pytest.fixture(scope="module")
def client(folder):
    pytest.importorskip("starlette")
    from tests.serve.conftest import Client

    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    with BackgroundServer(create_app({"meter": ws.load(folder)})) as address:
        yield Client(address)


def test_over_http(client):
    answer = client.post("/v1/predict/meter?bands=4", PHOTO.read_bytes(), Content_Type="image/jpeg")
    assert answer.status == 200
    assert len(answer.json["bands"]) == 4
    refused = client.post(
        "/v1/predict/meter?bands=99", PHOTO.read_bytes(), Content_Type="image/jpeg"
    )
    assert (refused.status, "bands must be from 1 to 16" in refused.json["error"]) == (400, True)
    outputs = client.get("/v2/models/meter").json["outputs"]
    assert {"name": "mean", "datatype": "FP32", "shape": [-1]} in outputs


def test_its_openapi_document_is_true(client):
    schemathesis = pytest.importorskip("schemathesis")
    from tests.serve.contract import check, operations

    schema = schemathesis.openapi.from_url(f"{client.address}/openapi.json")
    (operation,) = (one for one in operations(schema) if one.path == "/v1/predict/meter")
    assert check(operation, 20) > 20


def test_on_the_command_line(run, folder):
    shown = run("brightness", "--help").out
    assert "--bands" in shown
    assert "--top-k" not in shown
    done = run("brightness", PHOTO, "--model", folder, "--bands", 2, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == ws.load(folder)(PHOTO, bands=2).to_dict()
    table = run("predict", PHOTO, "--model", folder, "--bands", 2, "--csv").out.splitlines()
    assert table[0] == "input,top,brightness,error"
    assert len(table) == 3
    assert "brightness -0." in run("predict", PHOTO, "--model", folder).out
    assert run("brightness", PHOTO, "--model", folder, "--bands", 0).code == 2


def test_in_the_list_of_models(client):
    """The page of the server is made from this; tests/serve/page opens it in a browser."""
    about = client.get("/v1/models/meter").json
    assert (about["task"], about["task_title"]) == ("image-brightness", "Image brightness")
    assert about["task_summary"] == "Measure how bright photos are."
    assert (about["input_noun"], about["accepts"]) == ("photo", ["image/"])
    assert [example["label"] for example in about["examples"]] == ["cat", "espresso", "rocket"]
    assert about["options"]["bands"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 16,
        "default": 2,
        "description": "Bands of equal height.",
    }
    assert about["result_schema"]["properties"]["bands"]["items"]["required"] == [
        "top",
        "brightness",
    ]
