"""Forms as clients send them, and as attackers do."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.serve.errors import Refused
from warmstart.serve.forms import MAX_FIELDS, MAX_HEADER, Field, parse_form

TYPE = "multipart/form-data; boundary=x"


def form(*parts: tuple[str, bytes]) -> bytes:
    """A body of (headers, data)."""
    lines = [
        b"--x\r\n" + headers.encode() + b"\r\n\r\n" + data + b"\r\n" for headers, data in parts
    ]
    return b"".join([*lines, b"--x--\r\n"])


def named(name: str, rest: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{rest}'


def test_fields_and_files():
    file = named("file", '; filename="a cat.jpg"') + "\r\nContent-Type: image/jpeg"
    body = form((named("top_k"), b"2"), (file, b"\xff\xd8"))
    assert parse_form(body, TYPE) == [
        Field("top_k", None, b"2"),
        Field("file", "a cat.jpg", b"\xff\xd8"),
    ]


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ('filename="naïve.png"', "naïve.png"),
        ('filename="../../etc/passwd"', "passwd"),
        (r'filename="C:\\photos\\cat.jpg"', "cat.jpg"),
        (r'filename="a\"b.png"', 'a"b.png'),
        ("filename=bare.png", "bare.png"),
        ('filename=""', ""),
        ('filename="a;b=c.png"', "a;b=c.png"),
    ],
)
def test_names_of_files(header, filename):
    [field] = parse_form(form((named("file", f"; {header}"), b"z")), TYPE)
    assert field.filename == filename


@pytest.mark.parametrize("boundary", ["x", '"x"', '"x"; charset=utf-8'])
def test_boundaries(boundary):
    assert parse_form(form((named("a"), b"1")), f"multipart/form-data; boundary={boundary}") == [
        Field("a", None, b"1")
    ]


@given(st.binary(max_size=300))
def test_any_data_arrives_unchanged(data):
    data = data.replace(b"\r\n--x", b"")
    assert parse_form(form((named("file", '; filename="f"'), data)), TYPE) == [
        Field("file", "f", data)
    ]


def test_an_empty_form_has_no_fields():
    assert parse_form(b"--x--\r\n", TYPE) == []


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", TYPE, "truncated"),
        (b"--x", TYPE, "truncated"),
        (form((named("a"), b"1"))[:-7], TYPE, "truncated"),
        (b"--x\r\n" + named("a").encode() + b"\r\n", TYPE, "truncated"),
        (b"--y\r\n\r\n", TYPE, "malformed"),
        (b"no form at all", TYPE, "malformed"),
        (b"--x\r\nbad header\x00: 1\r\n\r\nz\r\n--x--", TYPE, "malformed"),
        (form(("A: b", b"z")), TYPE, "no name"),
        (form((named("a"), b"1")), "multipart/form-data", "boundary"),
        (form((named("a"), b"1")), 'multipart/form-data; boundary=""', "boundary"),
        (form((named("a"), b"1")), "multipart/form-data; boundary=" + "y" * 300, "boundary"),
        (form((named("a"), b"1")), "multipart/form-data; boundary=\u20ac", "malformed"),
        (form(*[(named("a"), b"1")] * (MAX_FIELDS + 1)), TYPE, f"more than {MAX_FIELDS} fields"),
        (form((named("a" * (MAX_HEADER + 1)), b"1")), TYPE, "malformed"),
        (form((named("a") + "\r\nX: y" * 100, b"1")), TYPE, "malformed"),
    ],
)
def test_bad_forms_are_refused(body, content_type, message):
    with pytest.raises(Refused, match=message) as caught:
        parse_form(body, content_type)
    assert caught.value.status == 400


@given(st.binary(max_size=200))
def test_noise_is_refused_or_parsed(noise):
    for body in (noise, b"--x\r\n" + noise, form((named("a"), b"1"))[:-4] + noise):
        with contextlib.suppress(Refused):
            parse_form(body, TYPE)


@pytest.mark.parametrize(
    "data", [b"\r" * 4_000_000, b"\r\n-" * 1_500_000, b"\r\n--" * 1_000_000, b"\r\n--y" * 800_000]
)
def test_data_that_resembles_boundaries_takes_no_time(data):
    start = time.perf_counter()
    [field] = parse_form(form((named("file", '; filename="f"'), data)), TYPE)
    assert field.data == data
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" * 2_000_000,
        b"--x\r\n" * 500_000,
        b"--x\r\n" + b":" * 4_000_000,
        b"--x\r\n" + b"a: b\r\n" * 500_000,
    ],
)
def test_large_malformed_forms_are_refused_at_once(body):
    start = time.perf_counter()
    with pytest.raises(Refused):
        parse_form(body, TYPE)
    assert time.perf_counter() - start < 2
