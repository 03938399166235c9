"""The plain endpoint: files, uploads and JSON give what the models give."""

import base64
import io
import json

import numpy as np
import pytest

CAT = "/v1/predict/cifar10_resnet20"


def form(*fields: tuple[str, str | None, bytes]) -> tuple[bytes, str]:
    """A multipart body of (name, file name, data), and its type."""
    lines = []
    for name, filename, data in fields:
        named = f'; filename="{filename}"' if filename is not None else ""
        lines += [
            b"--x\r\n",
            f'Content-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode(),
            data,
            b"\r\n",
        ]
    return b"".join([*lines, b"--x--\r\n"]), "multipart/form-data; boundary=x"


def test_all_ways_to_send_a_photo_give_the_models_own_answer(client, models, cat):
    expected = models["cifar10_resnet20"](cat, top_k=2).to_dict()["predictions"]
    body, kind = form(("file", "my cat.jpg", cat), ("top_k", None, b"2"))
    uploaded = client.post(CAT, body, Content_Type=kind)
    assert uploaded.status == 200
    assert uploaded.headers["content-type"] == "application/json"
    assert uploaded.json == {
        "input": "my cat.jpg",
        "model": "cifar10_resnet20",
        "predictions": expected,
    }
    for media in ("image/jpeg", "application/octet-stream", ""):
        assert (
            client.post(f"{CAT}?top_k=2", cat, Content_Type=media).json["predictions"] == expected
        )
    text = base64.b64encode(cat).decode()
    for one in (text, f"data:image/jpeg;base64,{text}", {"base64": text}):
        answer = client.post(CAT, {"inputs": one, "options": {"top_k": 2}})
        assert answer.json["predictions"] == expected


def test_several_inputs_and_a_bad_one_among_them(client, cat):
    good, bad = base64.b64encode(cat).decode(), base64.b64encode(b"no picture at all").decode()
    answer = client.post(CAT, {"inputs": [good, bad, good]})
    first, failed, third = answer.json["results"]
    assert answer.status == 200
    assert first["predictions"] == third["predictions"]
    assert failed == {
        "input": "input 2",
        "error": "input 2: the file is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC",
    }
    body, kind = form(("file", "a.jpg", cat), ("file", "b.jpg", b"nothing"))
    results = client.post(CAT, body, Content_Type=kind).json["results"]
    assert [result["input"] for result in results] == ["a.jpg", "b.jpg"]
    assert results[1]["error"].startswith("b.jpg: ")


def test_texts(client, models):
    options = {"max_new_tokens": 12, "seed": 3}
    expected = models["shakespeare_gpt2"]("ROMEO:", **options).to_dict()
    path = "/v1/predict/shakespeare_gpt2"
    assert client.post(path, {"inputs": "ROMEO:", "options": options}).json == expected
    assert (
        client.post(f"{path}?max_new_tokens=12&seed=3", b"ROMEO:", Content_Type="text/plain").json
        == expected
    )


def test_the_inputs_of_a_form_are_answered_in_its_order(client):
    fields = [
        ("text", None, b"A"),
        ("file", "b.txt", b"B"),
        ("text", None, b"C\0"),
        ("text", None, b"D"),
    ]
    body, media = form(*fields, ("max_new_tokens", None, b"1"))
    results = client.post("/v1/predict/shakespeare_gpt2", body, Content_Type=media).json["results"]
    assert [result.get("prompt", result["input"]) for result in results] == [
        "A",
        "B",
        "input 3",
        "D",
    ]
    assert "NUL" in results[2]["error"]


def test_series(client, models):
    path, values = "/v1/predict/deepar", np.sin(np.arange(60) / 4).tolist()
    options = {"horizon": 3, "samples": 20}
    expected = models["deepar"](np.array(values), **options).to_dict()
    answer = client.post(path, {"inputs": values, "options": options}).json
    assert answer["mean"] == expected["mean"]
    assert answer["history"]["values"] == [float(f"{v:.7g}") for v in values[-12:]]
    stamps = [f"2024-01-{1 + n // 24:02}T{n % 24:02}:00:00" for n in range(60)]
    table = {"timestamp": stamps, "target": values}
    csv = "timestamp,target\n" + "\n".join(f"{t},{v}" for t, v in zip(stamps, values, strict=True))
    by_table = client.post(path, {"inputs": table, "options": options}).json["results"]
    by_file = client.post(
        f"{path}?horizon=3&samples=20", csv.encode(), Content_Type="text/csv"
    ).json["results"]
    assert by_table == by_file
    assert by_table[0]["timestamps"][0] == "2024-01-03T12:00:00"
    many = client.post(path, {"inputs": [values, values[:30]], "options": options}).json["results"]
    assert many[0]["mean"] == expected["mean"]
    assert len(many) == 2


FORM = "application/x-www-form-urlencoded"
TEXT = "/v1/predict/shakespeare_gpt2?max_new_tokens=1"


@pytest.mark.parametrize("media", ["", "application/octet-stream", FORM])
def test_bodies_that_may_be_two_things_are_refused(client, cat, media):
    request = b' {"inputs": ["good"]}'
    assert "text/plain" not in client.post(CAT, request, Content_Type=media).json["error"]
    for path, body in ((TEXT, request), (TEXT, b'["good", "bad"]'), (CAT, request)):
        answer = client.post(path, body, Content_Type=media)
        assert answer.status == 415
        assert "looks like JSON" in answer.json["error"]
        assert ("text/plain" in answer.json["error"]) == (path == TEXT)
    for text in (b"ROMEO:", b"[Exit ROMEO]", b"text=ROMEO&top_k=1"):
        answer = client.post(TEXT, text, Content_Type=media)
        assert answer.status == (415 if media == FORM else 200)
    assert client.post(TEXT, request, Content_Type="text/plain").status == 200
    assert client.post(CAT, cat, Content_Type=media).status == 200
    assert (
        client.post("/v1/predict/deepar?horizon=2", b"target\n1\n2\n3\n", Content_Type=media).status
        == 200
    )


def test_options_of_an_address_and_a_form_that_occur_twice(client, cat):
    for path, fields in (
        (f"{CAT}?top_k=1&top_k=2", ()),
        (CAT, (("top_k", None, b"1"), ("top_k", None, b"2"))),
        (f"{CAT}?top_k=1", (("top_k", None, b"2"),)),
        (CAT, (("top_k", None, b"1"), ("options", None, b'{"top_k": 1}'))),
    ):
        body, media = form(("file", "cat.jpg", cat), *fields)
        answer = client.post(path, body, Content_Type=media)
        assert (answer.status, answer.json["error"]) == (400, "top_k is set twice; set it once.")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (CAT + "?top_k=0", {"inputs": "aaaa", "options": {"top_k": 1}}, 400, "top_k must be 1"),
        ("/v1/predict/nothing", {"inputs": "x"}, 404, "no model 'nothing'"),
        (CAT, {"inputs": "/etc/passwd"}, 400, "not opened"),
        (CAT, {"inputs": "http://127.0.0.1/cat.jpg"}, 400, "not opened"),
        (CAT, {"inputs": "file:///etc/hostname"}, 400, "not opened"),
        (CAT, {"inputs": 3}, 400, "base64"),
        (CAT, {"inputs": []}, 400, "1 to 64"),
        (CAT, {"inputs": [""] * 65}, 400, "1 to 64"),
        (CAT, {"input": "x"}, 400, "inputs"),
        (CAT, {"inputs": "aaaa", "options": {"top_k": 0}}, 400, "top_k must be 1"),
        (CAT, {"inputs": "aaaa", "options": {"top_k": True}}, 400, "top_k must be an integer"),
        (CAT, {"inputs": "aaaa", "options": {"temperature": 1}}, 400, "no option 'temperature'"),
        (CAT, b"{", 400, "JSON"),
        (CAT, b"", 400, "empty"),
        ("/v1/predict/deepar", {"inputs": "/etc/passwd"}, 400, "A series is"),
        ("/v1/predict/deepar", {"inputs": [1e400]}, 400, ""),
        ("/v1/predict/shakespeare_gpt2", {"inputs": "x" * 200_001}, 413, "characters"),
    ],
)
def test_what_is_refused(client, path, body, status, said):
    answer = client.post(path, body, Content_Type="application/json")
    assert answer.status == status
    assert answer.json.keys() == {"error"}
    assert said in answer.json["error"]


def test_no_path_is_opened_whatever_the_task(client, tmp_path, cat):
    (tmp_path / "cat.jpg").write_bytes(cat)
    for name in ("cifar10_resnet20", "deepar"):
        for value in (str(tmp_path / "cat.jpg"), f"file://{tmp_path}/cat.jpg", str(tmp_path)):
            assert client.post(f"/v1/predict/{name}", {"inputs": value}).status == 400
            assert client.post(f"/v1/predict/{name}", {"inputs": [value]}).status in (200, 400)
            assert (
                "predictions"
                not in client.post(f"/v1/predict/{name}", {"inputs": [value]}).body.decode()
            )


def test_a_large_picture_and_a_table_of_wrong_things(client):
    from PIL import Image

    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    answer = client.post(CAT, file.getvalue(), Content_Type="image/png")
    assert answer.status == 400
    assert "limit of 50,000,000" in answer.json["error"]
    for text in (b"\xff\xfe\x00", b"timestamp,target\nyesterday,1\n", b'"', b"a\n" * 50):
        answer = client.post("/v1/predict/deepar", text, Content_Type="text/csv")
        assert answer.status == 400 or "error" in json.dumps(answer.json)


def test_models_are_listed(client):
    listed = client.get("/v1/models").json
    assert listed["object"] == "list"
    assert [(one["id"], one["task"], one["input"]) for one in listed["data"]] == [
        ("cifar10_resnet20", "image-classification", "image"),
        ("shakespeare_gpt2", "text-generation", "text"),
        ("deepar", "forecasting", "series"),
    ]
    assert client.get("/v1/models/deepar").json["id"] == "deepar"
    assert client.get("/v1/models/x").status == 404


def test_health_and_page(client):
    assert client.get("/v2/health/live").status == client.get("/v2/health/ready").status == 200
    assert b"<html" in client.get("/").body
    for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/nothing"):
        answer = client.get(path)
        assert answer.status == 404
        assert answer.json.keys() == {"error"}
    assert client("DELETE", "/v1/models").status == 405


def test_previews_of_photos_that_browsers_cannot_show(client):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (2000, 1000), (200, 10, 10)).save(file, "TIFF")
    answer = client.post("/preview", file.getvalue())
    assert (answer.status, answer.headers["content-type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(answer.body)) as shown:
        assert shown.size == (1600, 800)
        assert shown.getpixel((5, 5))[0] > 180
    assert client.post("/preview", b"not a picture").status == 400
    file = io.BytesIO()
    Image.new("L", (5000, 5000)).save(file, "PNG")
    assert client.post("/preview", file.getvalue()).status == 400


@pytest.mark.parametrize(
    "charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii", "latin-1", "utf-16", "foo", "", "binary"]
)
def test_texts_and_json_are_utf_8(client, cat, charset):
    is_utf_8 = charset.strip('"').lower() in ("utf-8", "us-ascii")
    part = (
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n'
        + f"Content-Type: text/plain; charset={charset}\r\n\r\nROMEO:\r\n--x--\r\n".encode()
    )
    assert client.post(TEXT, part, Content_Type="multipart/form-data; boundary=x").status == (
        200 if is_utf_8 else 415
    )
    for path, media, body in (
        (TEXT, "text/plain", b"ROMEO:"),
        (TEXT.partition("?")[0], "application/json", b'{"inputs": "A", "options": {"seed": 1}}'),
        ("/v1/predict/deepar?horizon=2", "text/csv", b"target\n1\n2\n3\n"),
        ("/v1/completions", "application/json", b'{"model": "shakespeare_gpt2", "prompt": "A"}'),
    ):
        answer = client.post(path, body, Content_Type=f"{media}; charset={charset}")
        assert answer.status == (200 if is_utf_8 else 415)
        if not is_utf_8:
            assert "of Content-Type is not supported; send UTF-8." in str(answer.json)
    assert client.post(CAT, cat, Content_Type=f"image/jpeg; charset={charset}").status == 200


@pytest.mark.parametrize("inputs", [[1, 2, 3], [[1, 2, 3], [4, 5, 6]], [[1, 2, 3], {"a": [1]}]])
def test_an_option_that_fits_no_series_is_refused(client, inputs):
    answer = client.post("/v1/predict/deepar", {"inputs": inputs, "options": {"freq": "monthly"}})
    assert answer.status == 400
    assert answer.json["error"].startswith("There is no frequency 'monthly'")


def test_json_may_begin_with_a_byte_order_mark(client):
    request = b'\xef\xbb\xbf{"inputs": "A", "options": {"max_new_tokens": 1}}'
    assert (
        client.post(TEXT.partition("?")[0], request, Content_Type="application/json").status == 200
    )
    request = b'\xef\xbb\xbf{"model": "shakespeare_gpt2", "prompt": "A", "max_tokens": 1}'
    assert client.post("/v1/completions", request, Content_Type="application/json").status == 200


def test_every_series_of_several_files_is_answered_under_its_file(client):
    series = b"date,sales\n" + b"".join(b"2024-01-%02d,%d\n" % (n, n) for n in range(1, 20))
    bad = series.replace(b",7\n", b",oops\n")
    long = b"date,price,cost,item_id\n" + b"".join(
        b"2024-01-%02d,1,5,x\n" % n for n in range(1, 20)
    )
    path = "/v1/predict/deepar"

    def post(*files):
        fields = [("file", f"{name}.csv", data) for name, data in zip("abcd", files, strict=False)]
        body, media = form(*fields, ("horizon", None, b"2"))
        return client.post(path, body, Content_Type=media)

    several = post(series, bad, b"x", long).json["results"]
    assert [result["input"] for result in several] == [
        "a.csv:sales",
        "b.csv:sales",
        "c.csv",
        "d.csv",
    ]
    assert len(several[0]["mean"]) == 2
    assert several[1]["error"].startswith("b.csv:sales: 'oops' in row 7")
    assert several[2]["error"] == "c.csv: The table has no rows."
    assert several[3]["error"].startswith("d.csv: the table has 2 columns that may be the series")
    assert [result["input"] for result in post(series).json["results"]] == ["sales"]
    assert (alone := post(long)).status == 400
    assert "2 columns that may be the series" in alone.json["error"]
