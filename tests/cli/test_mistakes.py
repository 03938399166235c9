"""Typical mistakes at the ten jobs of docs/comparison.md: a sentence with the way out, no traceback."""

from __future__ import annotations

import subprocess
import sys
import wave

import pytest
from PIL import Image

PHOTO = "sound and photos/photo.png"
MISTAKES = {
    "classify": {
        f"{PHOTO} --model mobilnet_v2": "did you mean mobilenet_v2",
        f"{PHOTO} --topk 3": "did you mean --top-k",
        "nowhere.jpg -m efficientnet_lite0": "nowhere.jpg: there is no such file",
        "empty": "the folder empty contains no photo",
        "Node.js": "no such file. To use the name itself as a text, pipe it: `echo Node.js | warmstart classify -`",
        "photos -o out.csv": "redirect other results into a file: --csv > results.csv",
    },
    "finetune photos": {
        "nowhere/ --model efficientnet_lite0": "The file or folder nowhere",
        "photos --model efficientnet_lite0 --epoch 3": "did you mean --epochs",
        "photos --model efficientnet_lite0 -o photos": "choose a new folder; nothing was overwritten",
    },
    "detect": {
        f"{PHOTO} --draw out.txt": "--draw out.txt: drawings are written as .png",
        f"{PHOTO} photos --draw one.png": "there are several inputs; choose a folder",
        f"{PHOTO} --model efficientnet_lite0": "is a model for image-classification, not object-detection",
        f"{PHOTO} --conf 0.5": "did you mean --threshold",
        "reviews.csv --draw out": "--draw cannot be used with a table",
        f"{PHOTO} --threshold 50": "--threshold must be from 0 to 1, not 50",
    },
    "segment": {
        f"{PHOTO} --draw {PHOTO}": "is an input, which would be overwritten",
        f"{PHOTO} --masks mask.jpg": "--masks mask.jpg: masks are written as .png",
        "empty": "the folder empty contains no photo",
    },
    "classify a table": {
        "reviews.csv.gz --column review": "which reviews.csv.gz is not",
        "reviews.csv --column text": "no column 'text'; it has: id, review",
        "reviews.csv -o reviews.csv": "would be overwritten; choose another output",
        "reviews.csv -o out.xlsx": "a table is written as .csv, .tsv, .jsonl",
    },
    "finetune texts": {
        "reviews.csv --task text-classification": "name it with --label-column",
        "reviews.csv --task text-clasification": "did you mean text-classification?",
        "two.csv": "two.csv may be for several tasks; name one with --task",
        "data.yaml": "name one with --task: object-detection, image-segmentation.",
    },
    "search": {
        "notes.txt good": "Searching texts needs a --model, such as all_minilm_l6_v2",
        "nowhere.txt good --model sst2_bert_tiny": "nowhere.txt: cannot be opened",
        "nowhere good --model sst2_bert_tiny": "The file or folder nowhere does not exist",
        "photos good": "good: there is no such file",
    },
    "transcribe": {
        f"{PHOTO} -m digits_wavenet_asr": "is not a recording that can be read (WAV",
        "talk.wav -m digits_wavenet_asr -o out.mp3": "written as .srt, .vtt, .txt or .json",
        "talk.wav -m digits_wavenet_asr --language de": "has no option --language",
        "talk.wav": "the weights of whisper_tiny cannot be fetched",
    },
    "forecast": {
        "sales.csv --target nope": "no column 'nope'; it has: day, sales",
        "sales.csv --plot x.txt": "plots are written as .png, .svg or .pdf",
        "tours.csv": "as --item 'Sales region' --item Purpose, and remove",
        "uneven.csv": "or pass --freq.",
        "sales.csv --horizon 0": "--horizon must be from 1 to 100000, not 0",
    },
    "export": {
        "efficientnet_lite0 model.xyz": "or name a format, such as --format onnx",
        "efficientnet_lite0 photos --format saved_model": "choose a new path; nothing was overwritten",
        "efficientnet_lite0 m.tflite --format tflite": "there are saved_model, litert, onnx",
    },
    "serve": {
        "nowhere-model": "There is no model named 'nowhere-model'",
        "efficientnet_lite0 --port 99999": "99999 is not in the range 0<=x<=65535",
        "efficientnet_lite0 --workers 4": "has no option --workers",
    },
}
CASES = [
    (f"{job.split()[0]} {arguments}", message)
    for job, mistakes in MISTAKES.items()
    for arguments, message in mistakes.items()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a newcomer."""
    root = tmp_path_factory.mktemp("mistakes")
    for name in ("empty", "photos/cat", "photos/dog", "sound and photos"):
        (root / name).mkdir(parents=True)
    for name in ("photos/cat/a.png", "photos/dog/b.png", PHOTO):
        Image.new("RGB", (40, 30), "white").save(root / name)
    (root / "reviews.csv").write_text("id,review\n1,good\n2,bad\n")
    (root / "data.yaml").write_text("names: [ant]\n")
    (root / "two.csv").write_text("text,comment\ngood film,nice one\nbad,dull\n")
    (root / "notes.txt").write_text("a good day\n")
    (root / "sales.csv").write_text(
        "day,sales\n" + "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 29))
    )
    (root / "uneven.csv").write_text(
        "day,sales\n2024-01-01,1\n2024-01-03,2\n2024-01-04,5\n2024-03-09,2\n"
    )
    (root / "tours.csv").write_text(
        "Quarter,Sales region,Purpose,Trips\n"
        + "".join(f"{1998 + n // 8} Q{n % 4 + 1},A,{'BH'[n // 4 % 2]},{n}\n" for n in range(16))
    )
    with wave.open(str(root / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 8000, "NONE", ""))
        file.writeframes(bytes(16000))
    return root


@pytest.mark.parametrize(("command", "message"), CASES, ids=[command for command, _ in CASES])
def test_a_mistake_is_a_sentence_with_the_way_out(run, folder, monkeypatch, command, message):
    monkeypatch.chdir(folder)
    arguments = command.replace(PHOTO, "PHOTO").split()
    done = run(*(PHOTO if argument == "PHOTO" else argument for argument in arguments))
    assert done.code in (1, 2)
    assert message.lower() in done.err.lower()
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 4


def test_options_and_paths_are_checked_before_tensorflow_is_imported(folder):
    commands = [
        ["finetune", "nowhere", "--model", "efficientnet_lite0"],
        ["finetune", "photos", "--model", "efficientnet_lite0", "--epochs", "x"],
        ["finetune", "photos", "-o", "photos"],
        ["finetune", "photos", "--device", "cuda"],
        ["compile", "mobilnet"],
        ["export", "efficientnet_lite0", "model.xyz"],
    ]
    code = (
        "import sys\nfrom warmstart.cli import main\n"
        f"for command in {commands!r}:\n"
        "    sys.argv = ['warmstart', *command]\n"
        "    try:\n        main()\n"
        "    except SystemExit as end:\n        assert end.code in (1, 2), command\n"
        "    assert 'tensorflow' not in sys.modules, command\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_mistake_names_the_section_that_explains_it(run):
    done = run("classify", "a film", "--model", "mobilenet_v9")
    assert done.err.splitlines()[-1] == "See docs/models.md"
