"""What a source means, and that no path leaves the place that its scheme names."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warmstart import hub
from warmstart.errors import ChecksumError, SourceError, UsageError
from warmstart.hub import slots, sources
from warmstart.hub.sources import Embedded, Hub, Installed, Local, Web, parse

MEANINGS = {
    "https://host/a/b.h5": Web("https://host/a/b.h5"),
    "HTTPS://Host:8443/a b/ü?x=1&y= 2#part": Web("https://host:8443/a%20b/%C3%BC?x=1&y=%202"),
    "https://host/already%20quoted%2F": Web("https://host/already%20quoted%2F"),
    "http://[::1]:80/x": Web("http://[::1]:80/x"),
    "https://münchen.example/x": Web("https://xn--mnchen-3ya.example/x"),
    "https://host": Web("https://host/"),
    "hf://org/name": Hub("org/name"),
    "hf://org/name/": Hub("org/name"),
    "hf://org/name@v1.0": Hub("org/name", "v1.0"),
    "hf://org/name@refs%2Fpr%2F1/a/b.json": Hub("org/name", "refs/pr/1", "a/b.json"),
    "hf://org/name/a@b/c.json": Hub("org/name", None, "a@b/c.json"),
    "package:numpy/core/x.h": Installed("numpy", "core/x.h"),
    "package:numpy": Installed("numpy"),
    "embedded:model/labels.txt": Embedded("model/labels.txt"),
    "embedded:model//./labels.txt": Embedded("model/labels.txt"),
    "weights.h5": Local(Path("weights.h5")),
    "../weights.h5": Local(Path("../weights.h5")),
    r"C:\weights.h5": Local(Path(r"C:\weights.h5")),
    "./odd:name": Local(Path("./odd:name")),
}


@pytest.mark.parametrize(("text", "meaning"), MEANINGS.items())
def test_meaning(text, meaning):
    assert parse(text) == meaning


REFUSED = [
    *(
        "",
        "  ",
        "a\0b",
        "https://host/a\nb",
        "ftp://host/x",
        "file:///etc/passwd",
        "s3://bucket/x",
        "odd:name",
    ),
    *(
        "https://",
        "https:host",
        "https:///x",
        "https://ho st/x",
        "https://host:port/x",
        "https://[::1/x",
    ),
    *(
        "https://user:secret@host/x",
        "https://host:99999/x",
        "https://a\\b/x",
        "http://" + "ä" * 80 + "/",
    ),
    *("https://.", "https://..", "https://../x", "https://a..b/x"),
    *(
        "hf://",
        "hf://name",
        "hf://org/",
        "hf:org/name",
        "hf:///org/name",
        "hf://../name",
        "hf://org/..",
        "hf://-a/b",
    ),
    *(
        "hf://org/name@",
        "hf://org/name@/x",
        "hf://org/name@..%2F..",
        "hf://org/name@a%00",
        "hf://org/name@-x",
    ),
    *("hf://org/name/../x", "hf://org/name/a/../../x", "hf://org/name/..", "hf://org/name/a\\b"),
    *("hf://org/name//etc/passwd", "hf://org/name/.warmstart/x.json", "hf://o rg/name"),
    *(
        "package:",
        "package:a.b/x",
        "package:../x",
        "package:/etc/passwd",
        "package:numpy/../x",
        "package:numpy//x",
    ),
    *(
        "package:numpy/a\\..\\x",
        "embedded:",
        "embedded:/etc/passwd",
        "embedded:../errors.py",
        "embedded:a/../../x",
    ),
    *("embedded:.", "embedded:..", "embedded:a\\b"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    with pytest.raises(UsageError):
        parse(text)


def test_a_revision_as_an_argument():
    assert parse("hf://org/name/x", revision="refs/pr/1") == Hub("org/name", "refs/pr/1", "x")
    assert parse("hf://org/name@v1/x", revision="v1") == Hub("org/name", "v1", "x")
    for text in ("hf://org/name@v1/x", "https://host/x", "package:numpy/x", "weights.h5"):
        with pytest.raises(UsageError, match="revision"):
            parse(text, revision="v2")


_PIECES = (
    *(
        "..",
        ".",
        "/",
        "//",
        "\\",
        "a",
        "b.h5",
        "hf:",
        "hf://",
        "org",
        "@",
        "%2F",
        "%2e%2e",
        "package:",
        "numpy",
        ":",
    ),
    *(
        "embedded:",
        "https://",
        "http:",
        "host",
        "?",
        "#",
        "C:",
        "~",
        ".warmstart",
        "\0",
        " ",
        "ü",
        "[",
        "]",
        "%",
    ),
)
_pieces = st.lists(st.sampled_from(_PIECES), max_size=9).map("".join)


@given(
    st.one_of(
        _pieces, st.text(), st.text().map("hf://".__add__), st.text().map("https://host/".__add__)
    )
)
@example("https://host/%")
@example("https://..")
@example("hf://a/b@c%252F/d")
def test_any_text_is_refused_or_means_one_thing(text):
    try:
        parsed = parse(text)
    except UsageError:
        return
    assert parse(str(parsed) if not isinstance(parsed, Local) else parsed.path) == parsed
    path = getattr(parsed, "path", "")
    if not isinstance(parsed, Local) and path:
        assert ".." not in path.split("/")
        assert not os.path.isabs(path)
        assert "\\" not in path
        assert os.path.normpath(os.path.join("/root", path)).startswith("/root/")
    if isinstance(parsed, Web):
        assert parsed.url.isascii()
        assert not set(parsed.url) & set(' \\<>"{}')
        slot = slots.web_slot(parsed.url)
        assert slot.path.parent == slot.folder
        assert slot.name not in ("", ".", "..", ".warmstart")
        assert len(slot.folder.relative_to(hub.home()).parts) == 3


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package whose code would fail if it were run."""
    folder = tmp_path / "site" / "explosive"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('this code must not run')")
    (folder / "data" / "model.bin").write_bytes(b"numbers")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


def test_a_file_of_a_package_without_running_its_code(package):
    assert hub.fetch("package:explosive/data/model.bin") == package / "data" / "model.bin"
    assert hub.fetch_repo("package:explosive/data") == package / "data"
    assert hub.is_cached("package:explosive/data/model.bin")
    assert "explosive" not in sys.modules


@pytest.mark.parametrize("link", ["file", "folder", "loop"])
def test_links_out_of_a_package_are_refused(package, tmp_path, link):
    target = {"file": tmp_path / "secret", "folder": tmp_path, "loop": package / "data" / "link"}[
        link
    ]
    (package / "data" / "link").symlink_to(target)
    source = "package:explosive/data/link" + ("/secret" if link == "folder" else "")
    with pytest.raises(SourceError, match="outside" if link != "loop" else "no"):
        hub.fetch(source)
    with pytest.raises(SourceError):
        hub.fetch_repo("package:explosive/data")
    hub.fetch_repo("package:explosive/data", ["*.bin"])
    (package / "inner").symlink_to(package / "data" / "model.bin")
    assert hub.fetch("package:explosive/inner").read_bytes() == b"numbers"


@pytest.mark.parametrize("name", ["not_installed_at_all", "__main__", "sys", "this"])
def test_what_is_no_package(name):
    with pytest.raises(SourceError, match="install"):
        hub.fetch(f"package:{name}/x")


def test_missing_files_are_told(package, tmp_path):
    for source in (
        "package:explosive/x",
        "embedded:x",
        str(tmp_path / "x"),
        "~nobody-of-that-name/x",
        "x" * 5000,
    ):
        with pytest.raises(SourceError):
            hub.fetch(source)
        assert not hub.is_cached(source)
    with pytest.raises(SourceError, match="not a file"):
        hub.fetch(tmp_path)
    with pytest.raises(SourceError, match="not a folder"):
        hub.fetch_repo(tmp_path / "secret")
    with pytest.raises(UsageError, match="one file"):
        hub.fetch_repo("https://host/x")


def test_an_embedded_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "EMBEDDED", tmp_path / "embedded")
    (tmp_path / "embedded" / "model").mkdir(parents=True)
    (tmp_path / "embedded" / "model" / "a.txt").write_text("a")
    (tmp_path / "embedded" / "out").symlink_to(tmp_path)
    assert hub.fetch("embedded:model/a.txt").read_text() == "a"
    assert hub.fetch_repo("embedded:model") == tmp_path / "embedded" / "model"
    with pytest.raises(SourceError, match="outside"):
        hub.fetch_repo("embedded:out")


def test_a_local_file_is_given_back_once_its_hash_is_right(tmp_path, content, sha256):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    assert (
        hub.fetch(path)
        == path
        == hub.fetch(str(path), sha256=sha256(content).upper(), offline=True)
    )
    with pytest.raises(ChecksumError, match=r"a\.h5"):
        hub.fetch(path, sha256=sha256(b""))
    with pytest.raises(ChecksumError, match="md5"):
        hub.fetch(path, md5="0" * 32)
    for wrong in ("", "abc", "g" * 64):
        with pytest.raises(UsageError, match="sha256"):
            hub.fetch(path, sha256=wrong)
    assert hub.fetch_repo(tmp_path) == tmp_path


def test_a_base_confines_local_paths(tmp_path):
    base = tmp_path / "bundle"
    (base / "sub").mkdir(parents=True)
    (base / "sub" / "a").write_text("a")
    (tmp_path / "secret").write_text("secret")
    (base / "link").symlink_to(tmp_path / "secret")
    assert hub.fetch("sub/a", base=base).read_text() == "a"
    for path in ("../secret", str(tmp_path / "secret"), "sub/../../secret", "~/x/../y"):
        with pytest.raises(UsageError):
            hub.fetch(path, base=base)
    for path in ("link", "nothing", "~"):
        with pytest.raises(SourceError):
            hub.fetch(path, base=base)


def test_a_base_may_be_a_snapshot_of_huggingface_hub(tmp_path):
    base = tmp_path / "models--org--name" / "snapshots" / "abc"
    base.mkdir(parents=True)
    blobs = tmp_path / "models--org--name" / "blobs"
    blobs.mkdir()
    (blobs / "123").write_text("a")
    (tmp_path / "secret").write_text("secret")
    (base / "a").symlink_to("../../blobs/123")
    (base / "out").symlink_to("../../../secret")
    assert hub.fetch("a", base=base).read_text() == "a"
    with pytest.raises(SourceError, match="outside"):
        hub.fetch("out", base=base)


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("WARMSTART_HOME", "~/x")
    assert hub.home() == Path.home() / "x"
    monkeypatch.setenv("WARMSTART_HOME", "relative")
    assert hub.home().is_absolute()
    monkeypatch.delenv("WARMSTART_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert hub.home() == Path.home() / ".cache" / "warmstart"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub.home() == tmp_path / "warmstart"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert hub.home().parts[-3:] == ("Library", "Caches", "warmstart")
