"""The parts of the page's modules that need no page: parsing, quoting, arithmetic."""

import json
import shlex

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def call(tab, address):
    """Call an exported function of a module with JSON values."""
    tab.open(address, "classes")

    def called(module, name, *arguments):
        return tab.page.evaluate(
            """async ([module, name, values]) => {
            const result = (await import(`/page/js/${module}.js`))[name](...values);
            return result instanceof Map ? [...result] : result; }""",
            [module, name, list(arguments)],
        )

    return called


def test_labels_of_options(call):
    description = "Sample paths per series, of models that sample."
    assert call("options", "labelAndHint", "samples", description) == [
        "Sample paths per series",
        "Of models that sample.",
    ]
    assert call("options", "labelAndHint", "seed", "Random seed.") == ["Random seed", ""]
    long = "Sample among the most likely tokens that together have this probability."
    assert call("options", "labelAndHint", "top_p", long) == ["Top p", long]
    assert call("options", "labelAndHint", "top_p") == ["Top p", ""]


def test_times(call):
    assert call("chart", "utc", "2024-03-31T02:30:00") == 1711852200000
    assert call("chart", "utc", "2024-01-01T00:00:00+01:00") == 1704063600000


def test_the_last_season(call):
    hour, day = 3_600_000, 86_400_000
    week = list(range(7 * 24))
    assert call("chart", "lastSeason", [-1, *week], hour, 3) == [0, 1, 2]
    assert call("chart", "lastSeason", week[:-1], hour, 3) == week[143:146]  # a day: no whole week
    assert call("chart", "lastSeason", list(range(9)), day, 9) == [2, 3, 4, 5, 6, 7, 8, 2, 3]
    assert call("chart", "lastSeason", list(range(30)), 30 * day, 1) == [18]
    assert call("chart", "lastSeason", [1, 2, 3], day, 2) is None
    assert call("chart", "lastSeason", list(range(99)), 1, 2) is None  # steps without dates


def test_labels_from_right_to_left(call):
    assert call("dom", "isolated", "cat") == "cat"
    assert call("dom", "isolated", "קטה") == "\u2068קטה\u2069"


def test_results_of_any_shape(call, tab):
    call("generic", "showRecord", {})
    result = {
        "input": "x",
        "model": "m",
        "label": "cat",
        "score": 0.5,
        "nothing": None,
        "sure": True,
        "empty": [],
        "vector": list(range(300)),
        "grid": [[1, 2], [3]],
        "inner": {"a": 1},
        "rows": [{"name": "a", "score": 0.25}, {"name": "<b>", "other": [1]}],
    }
    html = tab.page.evaluate(
        """async (result) => {
        const { showRecord } = await import('/page/js/generic.js');
        const { headline, node } = showRecord(result);
        return [headline, node.textContent, node.querySelectorAll('tbody tr').length]; }""",
        result,
    )
    assert html[0] == "cat, 50.0\u00a0%"
    assert html[2] == 2
    for text in ("25.0", "<b>", "and 100 more", "None.", "yes"):
        assert text in html[1], text


def test_quoting(call):
    for text in ("plain", 'it\'s $HOME `x` \\ "y"\n', "ü 😀", ""):
        assert shlex.split(f"x {call('snippets', 'shell', text)}") == ["x", text]
        assert eval(call("snippets", "python", {"a": [text, None, True, 1.5]})) == {
            "a": [text, None, True, 1.5]
        }


def test_numbers(call):
    assert call("chart", "ticks", 0, 10) == [0, 2, 4, 6, 8, 10]
    assert call("chart", "ticks", -0.03, 0.02) == [-0.03, -0.02, -0.01, 0, 0.01, 0.02]
    assert [call("dom", "bytes", n) for n in (12, 4_321, 67_108_864)] == [
        "12 bytes",
        "4.3 kB",
        "67 MB",
    ]
    assert [call("dom", "clock", s) for s in (7.42, 59.97, 3723)] == [
        "0:07.4",
        "1:00.0",
        "1:02:03.0",
    ]
    assert [call("card", "many", n) for n in (924_000, 25_600_000, 999_900)] == [
        "924 thousand",
        "25.6 million",
        "1 million",
    ]
    assert call("text", "cosine", [1, 0], [1, 1]) == pytest.approx(0.70711, abs=1e-5)
    assert call("text", "filled", "a [MASK] b <mask>", ["x", "y"]) == ["a ", "x", " b ", "y", ""]


def test_voc_colours_are_those_of_the_package(call):
    from warmstart.image.results.segmentation import palette

    known = dict(call("masks", "vocIndices"))
    assert known == {
        int(r) << 16 | int(g) << 8 | int(b): n for n, (r, g, b) in enumerate(palette())
    }


def test_events_in_pieces(tab, address):
    tab.open(address, "classes")
    pieces = [
        'data: {"a"',
        ": 1}\n\nda",
        "ta: two\ndata: lines\n\n: comment\n\ndata: [DONE]\r\n\r\n",
    ]
    got = tab.page.evaluate(
        """async (pieces) => {
        const { events } = await import('/page/js/api.js');
        const stream = new ReadableStream({ start(c) {
            pieces.forEach((piece) => c.enqueue(new TextEncoder().encode(piece))); c.close(); } });
        const found = [];
        for await (const data of events(stream)) found.push(data);
        return found; }""",
        pieces,
    )
    assert got == ['{"a": 1}', "two\nlines", "[DONE]"]
    assert json.loads(got[0]) == {"a": 1}
