"""The parts of the page's modules that need no page: parsing, quoting, arithmetic."""

import json
import shlex

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def call(tab, address):
    """Call an exported function of a module with JSON values."""
    tab.open(address, "kinds")

    def called(module, name, *arguments):
        return tab.page.evaluate("""async ([module, name, given]) => {
            const found = (await import(`/page/js/${module}.js`))[name](...given);
            return found instanceof Map ? [...found] : found; }""", [module, name, list(arguments)])

    return called


def test_tables(call):
    assert call("csv", "rows", 'a;b\n1;"x ""y"";\nz"\r\n\n') == [["a", "b"], ["1", 'x "y";\nz']]
    wide = dict(call("csv", "series", "timestamp,load\n2024-01-01 01:00,2\n2024-01-01 00:00,\n"))
    assert wide["load"]["times"] == [1704067200000, 1704070800000]
    assert wide["load"]["values"][1] == 2
    long = dict(call("csv", "series", "item_id,timestamp,target\na,2024-01-01,1\nb,2024-01-01,3\na,2024-01-02,2\n"))
    assert [long[name]["values"] for name in "ab"] == [[1, 2], [3]]
    assert dict(call("csv", "series", "x\n1\n2\n"))["x"] == {"times": None, "values": [1, 2]}
    assert call("csv", "series", "") == []


def test_quoting(call):
    for text in ("plain", "it's $HOME `x` \\ \"y\"\n", "ü 😀", ""):
        assert shlex.split(f"x {call('snippets', 'shell', text)}") == ["x", text]
        assert eval(call("snippets", "python", {"a": [text, None, True, 1.5]})) == {"a": [text, None, True, 1.5]}


def test_numbers(call):
    assert call("chart", "ticks", 0, 10) == [0, 2, 4, 6, 8, 10]
    assert call("chart", "ticks", -0.03, 0.02) == [-0.03, -0.02, -0.01, 0, 0.01, 0.02]
    assert [call("dom", "bytes", n) for n in (12, 4_321, 67_108_864)] == ["12 bytes", "4.3 kB", "67 MB"]
    assert [call("dom", "clock", s) for s in (7.42, 59.97, 3723)] == ["0:07.4", "1:00.0", "1:02:03.0"]
    assert [call("card", "many", n) for n in (924_000, 25_600_000, 999_900)] == ["924 thousand", "25.6 million",
                                                                               "1 million"]
    assert call("text", "cosine", [1, 0], [1, 1]) == pytest.approx(0.70711, abs=1e-5)
    assert call("text", "filled", "a [MASK] b <mask>", ["x", "y"]) == ["a ", "x", " b ", "y", ""]


def test_voc_colours_are_those_of_the_package(call):
    from warmstart.image.results.segmentation import palette

    known = dict(call("masks", "vocIndices"))
    assert known == {int(r) << 16 | int(g) << 8 | int(b): n for n, (r, g, b) in enumerate(palette())}


def test_events_in_pieces(tab, address):
    tab.open(address, "kinds")
    pieces = ["data: {\"a\"", ": 1}\n\nda", "ta: two\ndata: lines\n\n: comment\n\ndata: [DONE]\r\n\r\n"]
    got = tab.page.evaluate("""async (pieces) => {
        const { events } = await import('/page/js/api.js');
        const stream = new ReadableStream({ start(c) {
            pieces.forEach((piece) => c.enqueue(new TextEncoder().encode(piece))); c.close(); } });
        const found = [];
        for await (const data of events(stream)) found.push(data);
        return found; }""", pieces)
    assert got == ['{"a": 1}', "two\nlines", "[DONE]"]
    assert json.loads(got[0]) == {"a": 1}
