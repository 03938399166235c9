"""What the arguments of a command mean: files, texts, and texts that begin with a dash."""

import json

import pytest
from tests.oracles.cases import DATA

CAT, SPEECH = DATA / "cat.jpg", DATA / "three_seven.wav"
TEXT_MODEL = ("--model", "sst2_bert_tiny", "-k", "1", "--json")


@pytest.mark.parametrize("inputs", [
    [CAT], [f"{DATA}/*.png"], [DATA], ["no_such_file.png"], [CAT, "no_such_file.webp"],
])  # fmt: skip
def test_classify_takes_files_as_photos(inputs, run):
    done = run("classify", *inputs, "-k", 1)
    assert done.err.splitlines()[0].startswith("Model: efficientnet_lite0 (1,000 classes")


def test_classify_takes_a_picture_without_a_suffix(run, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(CAT.read_bytes())
    assert "Model: efficientnet_lite0" in run("classify", path).err


@pytest.mark.parametrize(
    "inputs", [["a fine film"], ["is it?", "- 5 degrees"], ["-5"], ["what a *film*"], ["."]]
)
def test_classify_takes_other_text_as_text(inputs, run, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    done = run("classify", *inputs, "-k", 1, "--json")
    expected = "efficientnet_lite0" if inputs == ["."] else "sst2_bert_tiny"  # "." is a folder
    assert done.err.splitlines()[0].startswith(f"Model: {expected} (")
    if inputs != ["."]:
        assert [json.loads(line)["input"] for line in done.out.splitlines()] == inputs


def test_classify_reads_files_of_lines(run, tmp_path):
    (tmp_path / "reviews.txt").write_text("a fine film\na dull mess\n")
    done = run("classify", tmp_path / "reviews.txt", "-k", 1, "--json")
    assert "Model: sst2_bert_tiny" in done.err
    assert len(done.out.splitlines()) == 2


def test_classify_refuses_a_mixture(run):
    done = run("classify", CAT, "a fine film")
    assert done.code == 2
    assert "cat.jpg' is a photo, 'a fine film' is a text" in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("line", "model"),
    [
        ("a fine film", "sst2_bert_tiny"),
        ("Node.js", "sst2_bert_tiny"),
        (str(CAT), "efficientnet_lite0"),
    ],
)
def test_the_first_line_of_standard_input_decides(line, model, run):
    done = run("classify", "-", "-k", 1, "--json", stdin=f"\n{line}\n\n{line}\n")
    assert f"Model: {model}" in done.err
    assert [json.loads(row)["model"] for row in done.out.splitlines()] == [model] * 2


@pytest.mark.parametrize(("arguments", "model"), [
    ([CAT], "efficientnet_lite0"),
    (["a fine film"], "sst2_bert_tiny"),
    (["ROMEO:", "--max-new-tokens", "2"], "shakespeare_gpt2"),
    ([DATA / "hourly.csv"], "deepar"),
    ([CAT, "--threshold", "0.9"], "bccd_fcos"),
])  # fmt: skip
def test_predict_chooses_by_inputs_and_options(arguments, model, run):
    done = run("predict", *arguments)
    assert done.code == 0, done.err
    assert done.err.splitlines()[0].startswith(f"Model: {model} (")


def test_predict_takes_json_lines_for_texts(run, tmp_path):
    (tmp_path / "reviews.jsonl").write_text('{"text": "a fine film"}\n')
    done = run("predict", tmp_path / "reviews.jsonl")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].startswith("a fine film,positive,")


def test_predict_knows_recordings_by_their_names(run, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", "/nonexistent")
    done = run("predict", "a.WAV", "https://x.org/b.flac?x=1")
    assert done.code == 2
    assert "whisper-tiny" in done.err  # the default model, which is not here
    assert "is a photo" in run("predict", "a.wav", "b.jpg").err


@pytest.mark.parametrize("text", ["- 5 degrees", "-5", "-, he said", "-- well", "-.5", "—", "-"])
def test_texts_that_begin_with_a_dash(text, run):
    done = run("classify", text, *TEXT_MODEL, stdin="-\n")
    assert done.code == 0, done.err
    assert json.loads(done.out)["input"] == text


@pytest.mark.parametrize("text", ["--word", "-word", "--x y", "-é"])
def test_a_dash_and_a_word_is_an_option(text, run):
    done = run("classify", text, *TEXT_MODEL)
    assert done.code == 2
    assert "`--`" in done.err
    escaped = run("classify", *TEXT_MODEL, "--", text)
    assert json.loads(escaped.out)["input"] == text


def test_values_of_options_may_begin_with_a_dash(run):
    done = run("generate", "a", "--stop", "-5", "--max-new-tokens", "2", "--json")
    assert done.code == 0, done.err
    assert "--seed must be 0 or more, not -5" in run("generate", "a", "--seed", "-5").err


@pytest.mark.parametrize("verb", ["classify", "generate", "synthesize"])
@pytest.mark.parametrize("name", ["missing.txt", "missing.jpg", "song.wav", "folder", "README"])
def test_a_text_that_looks_like_a_file_is_never_a_text(verb, name, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "README").write_text("a fine film")
    model = {
        "classify": "sst2_bert_tiny",
        "generate": "shakespeare_gpt2",
        "synthesize": "digits_wavenet",
    }[verb]
    done = run(verb, name, "--model", model, "--json")
    assert done.code in (1, 2)
    assert name in done.err
    assert not any("error" not in json.loads(line) for line in done.out.splitlines())


def test_a_sentence_may_end_like_a_file(run):
    done = run("classify", "look at photo.jpg", *TEXT_MODEL)
    assert json.loads(done.out)["input"] == "look at photo.jpg"


def test_standard_input_may_hold_a_photo(run):
    for arguments in (("classify", "-"), ("detect", "-")):
        done = run(*arguments, "--json", stdin=CAT.read_bytes())
        assert done.code == 0
        assert json.loads(done.out)["input"] == "standard input"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_standard_input_may_hold_a_table_of_series(run, ends):
    text = (DATA / "hourly.csv").read_text()
    expected = run("forecast", DATA / "hourly.csv", "--horizon", 2, "--csv")
    for arguments in (("forecast", "-"), ("predict", "--task", "forecasting", "-")):
        done = run(*arguments, "--horizon", 2, "--csv", stdin=text.replace("\n", ends))
        assert (done.code, done.out) == (0, expected.out)


def test_standard_input_may_hold_json_lines_of_series(run):
    lines = [json.dumps({"item_id": name, "target": [1, 2, 3] * 20}) for name in "ab"]
    done = run("forecast", "-", "--horizon", 2, "--json", stdin="\n".join(lines))
    assert [json.loads(line)["input"] for line in done.out.splitlines()] == ["a", "b"]


def test_standard_input_may_hold_the_names_of_tables_of_series(run):
    expected = run("forecast", DATA / "hourly.csv", "--horizon", 2, "--csv")
    for name in (DATA / "hourly.csv", DATA / "hour*.csv"):
        done = run("forecast", "-", "--horizon", 2, "--csv", stdin=f"{name}\n")
        assert done.out == expected.out
    missing = run("forecast", "-", stdin="nowhere.csv\n")
    assert "nowhere.csv: there is no such file" in missing.err


def test_an_unusable_table_on_standard_input_is_named(run):
    done = run("forecast", "-", stdin="date,y\n2024-01-01,1\n2024-01-02,2,3\n")
    assert done.code == 1
    assert "standard input: line 3 has 3 cells" in done.err


def test_a_line_of_standard_input_that_is_not_utf8_fails_by_itself(run):
    done = run("classify", "-", "--json", *TEXT_MODEL, stdin=b"fine\n\xff\nbad\n")
    first, second, third = map(json.loads, done.out.splitlines())
    assert [first["input"], third["input"]] == ["fine", "bad"]
    assert second["error"] == "line 2 of standard input: is not UTF-8 text"


@pytest.mark.parametrize(("arguments", "stdin", "code", "expected"), [
    (("classify", "-"), "", 2, "Standard input is empty"),
    (("classify", "-"), "\n \n", 2, "Standard input is empty"),
    (("detect", "-"), "", 2, "Standard input is empty"),
    (("generate", "-"), b"\xff\xfe\0a", 1, "standard input: is not UTF-8 text"),
    (("classify", "-", "--column", "a"), "a,b\n1,2\n", 2, "is read as one input per line"),
    (("classify", "-"), b"caf\xe9\n", 2, "Line 1 of standard input is not UTF-8 at byte 3"),
    (("classify", "-"), b"fine\n\xff\n", 1, "line 2 of standard input: is not UTF-8"),
    (("forecast", "-", "--on", "local", "-o", "x"), "day,y\n1,2\n", 2, "not the content of a file"),
], ids=str)  # fmt: skip
def test_unusable_standard_input_is_said_in_one_sentence(run, arguments, stdin, code, expected):
    done = run(*arguments, stdin=stdin)
    assert done.code == code
    assert expected in done.err
    assert "Traceback" not in done.err
