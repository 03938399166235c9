"""Calibrated int8 and `precision="auto"` as users meet them: compiled once, then without
TensorFlow.
"""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tests.optional import require_bfloat16
from tests.photos import CIFAR, write_photos

import warmstart as ws
from warmstart.cli import main
from warmstart.core.calibration import Request
from warmstart.core.precision import Choice
from warmstart.errors import BundleError, InputError, MissingPackageError, UsageError
from warmstart.hub.json_file import JsonFile

pytestmark = pytest.mark.tensorflow
ASKED = 0.8


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _one_cache(home, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", str(home))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, 24)
    return folder


@pytest.fixture
def calibrated(photos):
    return ws.load(CIFAR, precision="int8", calibration=photos, agreement=ASKED)


@pytest.fixture
def compiled(calibrated, monkeypatch):
    """The calibrated model, compiled; nothing can be compiled afterwards."""
    calibrated.artifact  # noqa: B018 (compiles)
    monkeypatch.setattr("warmstart.core.compiling.COMPILER", ("/bin/false",))
    return calibrated


def test_a_calibrated_program_agrees_and_is_compiled_once(compiled, photos):
    record = compiled.artifact.calibration
    assert (record.inputs, record.validation) == (24, 0)
    assert "the same inputs, which were too few" in str(compiled.artifact.calibration)
    assert record.threshold == ASKED
    assert min(record.agreement.values()) >= ASKED
    exact = ws.load(CIFAR)
    paths = sorted(photos.iterdir(), key=lambda path: int(path.stem.removeprefix("photo")))
    same = [a.label == b.label for a, b in zip(compiled(paths), exact(paths), strict=True)]
    assert np.mean(same) == pytest.approx(record.agreement[compiled.engine.name], abs=1e-6)
    assert compiled.artifact.size_on(compiled.engine.name) < exact.artifact.size_on(
        exact.engine.name
    )

    again = ws.load(CIFAR, precision="int8", calibration=paths, agreement=ASKED)
    assert again.artifact.sha256 == compiled.artifact.sha256
    assert ws.load(CIFAR, precision="int8").artifact.sha256 == compiled.artifact.sha256
    other = ws.load(CIFAR, precision="int8", calibration=paths[:20], agreement=ASKED)
    assert not other.is_compiled()


def test_a_stored_program_that_agrees_too_little_is_refused(compiled):
    ws.load(CIFAR, precision="int8", agreement=ASKED)
    with pytest.raises(UsageError, match=r"has an agreement of .*requested 100.0%"):
        ws.load(CIFAR, precision="int8", agreement=1.0)
    with pytest.raises(UsageError, match="no calibrated int8 program of efficientnet_lite0"):
        ws.load("efficientnet_lite0", precision="int8", agreement=0.5)
    with pytest.raises(UsageError, match="agreement is for precision='int8'"):
        ws.load(CIFAR, agreement=0.5)


def test_equal_inputs_count_once():
    model = ws.load("sst2_bert_tiny")
    texts = [f"film number {n}" for n in range(25)]
    assert len(Request(texts * 2).calibration(model)) == 25
    with pytest.raises(UsageError, match="of these 60 inputs only 1"):
        Request(["good film"] * 60).calibration(model)


def test_a_mistyped_path_is_its_own_error():
    with pytest.raises(InputError, match="nowhere"):
        Request("nowhere").calibration(ws.load(CIFAR))


def test_tasks_without_a_measure_of_agreement_get_advice_that_works():
    with pytest.raises(
        UsageError, match=r"not defined for audio-generation.*Leave calibration and"
    ) as e:
        ws.load("digits_wavenet", precision="int8", agreement=0.9)
    assert "calibration=DATA" not in str(e.value)


def test_auto_is_refused_where_agreement_is_not_defined():
    with pytest.raises(UsageError, match="agreement is not defined for audio-generation"):
        ws.load("digits_wavenet", precision="auto")


def test_generators_are_compared_by_their_next_tokens(texts, run, monkeypatch):
    """Each precision is made of the weights only, so that all texts are compared."""
    texts.write_text("\n".join(f"ROMEO: She is the {word} sun." for word in "abcdefghijkl"))
    options = ("--precision", "auto", "--calibration", texts)
    done = run("compile", "shakespeare_gpt2", *options, "--agreement", 0.5)
    assert done.code == 0, done.err
    assert "(same next tokens, on 12 inputs)" in done.out
    assert "ms per step of 8 texts" in done.out
    assert re.search(r"int8: .* agreement \d", done.out)
    shown = run("info", "shakespeare_gpt2").out
    assert "same next tokens" in shown
    monkeypatch.setattr("warmstart.engines.choose.measure", None)  # the choice is recorded
    chosen = ws.load("shakespeare_gpt2", precision="auto")
    assert f"{chosen.precision}: the fastest here" in shown
    strict = ws.load("shakespeare_gpt2", precision="auto", calibration=texts, agreement=1.0)
    assert strict.precision in ("float32", "bfloat16", "int8")
    with pytest.raises(UsageError, match="int8 is not calibrated for text-generation"):
        ws.load("shakespeare_gpt2", precision="int8", agreement=0.9)


def test_bfloat16_writes_almost_the_same_tokens(texts, run):
    require_bfloat16()
    done = run("compile", "shakespeare_gpt2", "--precision", "bfloat16", "--check", texts)
    assert done.code == 0, done.err
    (agreement,) = re.findall(r"agreement with float32: ([\d.]+)% \(same next tokens\)", done.out)
    assert float(agreement) > 95
    assert "ms per step of 8 texts, float32" in done.out


def test_half_of_enough_inputs_are_set_aside(photos, tmp_path):
    """The agreement is that of the half that was not calibrated on; a class is in both halves."""
    write_photos(tmp_path, 40)
    small = ws.load(CIFAR, precision="int8", calibration=tmp_path, agreement=0.5)
    record = small.artifact.calibration
    assert (record.inputs, record.validation) == (20, 20)
    assert "on 20 others" in str(small.artifact.calibration)
    calibration = Request(tmp_path, 0.5).calibration(small)
    compared, exact = calibration.to_compare, ws.load(CIFAR)
    agreement = compared.agreement(small.engine, compared.decisions(exact.engine))
    assert agreement == pytest.approx(record.agreement[small.engine.name], abs=1e-6)
    rows = [array.tobytes() for array in calibration.inputs["images"]]
    in_order = [exact.preprocess(tmp_path / f"photo{n}.png").tobytes() for n in range(40)]
    places = [in_order.index(row) for row in rows[20:]]
    assert min(places) < 10
    assert max(places) >= 30


def test_a_bundle_has_both_programs(compiled, photos, tmp_path, monkeypatch):
    folder = compiled.save(tmp_path / "bundle")
    photo = next(photos.iterdir())
    score = compiled(photo).score
    monkeypatch.setenv("WARMSTART_HOME", str(tmp_path / "empty"))
    small = ws.load(folder, precision="int8")
    assert small.artifact.folder == folder / "artifacts" / "int8"
    assert small(photo).score == pytest.approx(score, abs=1e-6)
    assert ws.load(folder)(photo).score == pytest.approx(ws.load(CIFAR)(photo).score, abs=1e-6)
    assert "agreement with float32" in (folder / "README.md").read_text()
    fastest = ws.load(folder, precision="auto", agreement=ASKED)
    assert fastest.precision in ("float32", "int8")
    assert ws.load(folder, precision="auto", agreement=1.0).precision in ("float32", "int8")


@pytest.fixture
def printed(monkeypatch, capsys):
    """`printed(*arguments)`: what `warmstart …` prints."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["warmstart", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        assert ended.value.code == 0, output.err
        return output.out

    return call


def test_a_damaged_calibrated_program_is_not_replaced_by_another(compiled, tmp_path):
    folder = compiled.save(tmp_path / "bundle")
    path = ws.load(folder, precision="int8").artifact.path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"damaged.*copy the bundle again"):
        ws.load(folder, precision="int8").artifact  # noqa: B018 (is read)
    assert ws.load(folder).artifact.calibration is None


def test_a_choice_of_int8_holds_for_its_own_program_only(compiled):
    artifact = compiled.artifact
    digest = artifact.calibration.digest
    choice = Choice("int8", (), ASKED, 24, digest, "same best class")
    assert choice.is_current(artifact)
    assert not choice.is_current(None)
    assert not replace(choice, digest="of other inputs").is_current(artifact)
    assert replace(choice, precision="float32").is_current(None)


def test_auto_is_found_out_once_and_says_why(compiled, photos, printed):
    with pytest.raises(UsageError, match=r"calibration=DATA.*warmstart compile"):
        ws.load("efficientnet_lite0", precision="auto")  # nothing is stored
    chosen = ws.load(CIFAR, precision="auto", calibration=photos, agreement=ASKED)
    assert chosen.precision in ("float32", "bfloat16", "int8")
    assert ws.load(CIFAR, precision="auto").precision == chosen.precision
    reason = f"{chosen.precision}: the fastest here with an agreement of {ASKED:.1%}"
    shown = printed("info", CIFAR)
    assert reason in shown
    assert "int8: " in shown
    assert str(compiled.artifact.calibration) in shown
    options = ("--precision", "auto", "--calibration", photos, "--agreement", ASKED)
    assert reason in printed("compile", CIFAR, *options)


def test_all_that_is_printed_is_one_measurement(compiled, photos, printed, monkeypatch):
    """Neither the engine nor the precision is chosen by other times than those of the record."""
    monkeypatch.setattr("warmstart.engines.choose.measure", None)
    times = compiled.artifact.calibration.milliseconds
    best = min(times[name] for name in compiled.artifact.engines)
    options = ("--calibration", photos, "--agreement", ASKED)
    for precision in ("int8", "auto"):
        shown = printed("compile", CIFAR, "--precision", precision, *options)
        assert f"{times[compiled.engine.name]:.2f} ms" in shown
        shown_times = {float(ms) for ms in re.findall(r"([\d.]+) ms", shown)}
        assert shown_times <= {round(ms, 2) for ms in times.values()}
    assert times[compiled.engine.name] == best or times["litert"] < 2


def test_integers_only(calibrated, photos, tmp_path):
    path = calibrated.export(tmp_path / "whole.tflite", integer_io=True)
    note = json.loads((tmp_path / "whole.tflite.json").read_text())
    (described,) = note["functions"]["forward"]["inputs"]
    assert (described["dtype"], note["precision"]) == ("int8", "int8, integers only")
    assert note["agreement"] >= ASKED
    runner = Interpreter(str(path)).get_signature_runner("forward")
    same = []
    for photo in photos.iterdir():
        array = calibrated.preprocess(photo)[None] / described["scale"] + described["zero_point"]
        outputs = runner(images=np.clip(np.round(array), -128, 127).astype(np.int8))
        assert outputs["probabilities"].dtype == np.int8
        best = note["labels"][outputs["probabilities"][0].argmax()]
        same.append(best == ws.load(CIFAR)(photo).label)
    assert np.mean(same) == pytest.approx(note["agreement"], abs=1e-6)


def test_what_cannot_be_calibrated_says_so(photos, monkeypatch):
    with pytest.raises(UsageError, match=r"10 inputs or more.*got 9 inputs"):
        ws.load(CIFAR, precision="int8", calibration=sorted(photos.iterdir())[:9]).artifact  # noqa: B018
    for wrong in (99, 0, "0.9", True, [0.9], float("nan")):
        with pytest.raises(UsageError, match="agreement must be a number above 0 and at most 1"):
            ws.load(CIFAR, precision="int8", calibration=photos, agreement=wrong)
        with pytest.raises(UsageError, match="agreement must be a number above 0 and at most 1"):
            ws.load(CIFAR, precision="auto", agreement=wrong)
    with pytest.raises(UsageError, match="not for 'float32'"):
        ws.load(CIFAR, calibration=photos)
    with pytest.raises(UsageError, match="int8 is not calibrated for text-generation"):
        ws.load("shakespeare_gpt2", precision="int8", calibration=["text"] * 20)
    with pytest.raises(UsageError, match="integer_io needs the format litert"):
        ws.load(CIFAR, precision="int8").export("x.tflite", integer_io=True)
    monkeypatch.setattr("warmstart.errors.is_installed", lambda package: package != "tensorflow")
    fresh = ws.load(CIFAR, precision="int8", calibration=photos, agreement=0.5)
    with pytest.raises(MissingPackageError, match="to calibrate cifar10_resnet20"):
        fresh.artifact  # noqa: B018


def test_recorded_figures_answer_for_another_agreement_or_engine(compiled, photos):
    ws.load(CIFAR, precision="auto", calibration=photos, agreement=ASKED)
    record = compiled.artifact.calibration
    for agreement in (0.5, ASKED, 0.999999, 1.0):
        chosen = ws.load(CIFAR, precision="auto", agreement=agreement)
        if chosen.precision == "int8":
            assert record.agreement[chosen.engine.name] >= agreement
    for engine in ("litert", "openvino"):
        try:
            ws.load(CIFAR, engine=engine).engine  # noqa: B018 (is it installed?)
        except MissingPackageError:
            continue
        chosen = ws.load(CIFAR, precision="auto", engine=engine, agreement=ASKED)
        assert chosen.engine.name == engine


def test_the_record_of_a_calibrated_program_is_enough_for_auto(compiled, monkeypatch, tmp_path):
    monkeypatch.setattr("warmstart.core.precision.CHOSEN", JsonFile("empty.json"))
    assert ws.load(CIFAR, precision="auto").precision in ("float32", "bfloat16", "int8")


def test_an_engine_that_agrees_enough_is_named(compiled, monkeypatch):
    record = compiled.artifact.calibration
    figures = replace(record, engine="litert", agreement={"litert": 0.9, "openvino": 0.98})
    monkeypatch.setattr("warmstart.engines.store.Artifact.calibration", figures)
    with pytest.raises(
        UsageError, match=r"90.0% on litert.*On openvino it is 98.0%: use engine='openvino'"
    ):
        ws.load(CIFAR, precision="int8", agreement=0.95)
    ws.load(CIFAR, precision="int8", agreement=0.95, engine="openvino")
    with pytest.raises(UsageError, match="calibration=DATA to calibrate again"):
        ws.load(CIFAR, precision="int8", agreement=0.99)


@pytest.fixture
def texts(tmp_path):
    """A file of 12 texts, one per line."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(f"film number {n}" for n in range(12)))
    return path


def test_a_string_is_the_path_of_a_file_of_texts(texts, tmp_path, monkeypatch):
    model = ws.load("sst2_bert_tiny")
    monkeypatch.chdir(tmp_path)
    for data in (texts, str(texts), "texts.txt"):
        assert len(Request(data).calibration(model)) == 12
    table = tmp_path / "texts.csv"
    table.write_text("text\n" + texts.read_text())
    assert len(Request(str(table)).calibration(model)) == 12


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("missing.txt", r"The file or folder missing\.txt does not exist"),
        (Path("missing"), "The file or folder missing does not exist"),
        ("a good film", "'a good film' is a single text: pass a list of texts, or the path"),
    ],
)
def test_a_string_that_is_no_path_is_refused_before_any_work(data, message):
    with pytest.raises(UsageError, match=message):
        ws.load("sst2_bert_tiny", precision="int8", calibration=data)


def test_the_column_of_a_table_is_named(texts, run):
    table = texts.with_suffix(".csv")
    lines = texts.read_text().splitlines()
    table.write_text("\n".join(["first,second", *(f"{line},{line}!" for line in lines)]))
    with pytest.raises(UsageError, match=r"pandas.read_csv\('.*texts.csv'\)\['COLUMN'\]"):
        Request(str(table)).calibration(ws.load("sst2_bert_tiny"))
    command = ("compile", "sst2_bert_tiny", "--precision", "int8", "--check", table)
    done = run(*command)
    assert done.code == 2
    assert "--column" in done.err
    done = run(*command, "--column", "second")
    assert done.code == 0, done.err
    assert "on 12 texts" in done.out


def test_what_comes_next_has_the_options_of_the_command(run, tmp_path):
    weights = ws.load(CIFAR).save(tmp_path / "bundle") / "model.safetensors"
    done = run("compile", CIFAR, "--weights", weights, "--engine", "litert")
    assert f"--model {CIFAR} --weights {weights} --engine litert" in done.err
    assert f"warmstart serve {CIFAR} --weights {weights} --engine litert" in done.err
    done = run("compile", CIFAR, "--weights", "random")
    assert "warmstart classify" not in done.err
    assert f"next: warmstart serve {CIFAR} --weights random" in done.err


def test_options_of_compile_that_do_not_go_together(run, photos):
    done = run("compile", "digits_wavenet", "--precision", "int8", "--check", "texts.txt")
    assert "not defined for audio-generation" in done.err
    assert "warmstart evaluate" in done.err
    assert "needs another --precision" in run("compile", CIFAR, "--check", photos).err
    assert "--calibration or --check" in run("compile", CIFAR, "--column", "a").err
