"""Names of files of weights; what is imported before numpy is needed."""

import json
import re
from pathlib import Path

RECORD, PROGRAM, REST = "artifact.json", "program.tflite", "rest.safetensors"
IN_PROGRAM = f"artifacts/float32/{RECORD}"
"""In a bundle: the checkpoint whose arrays are in the compiled program."""
TRANSFORMERS_H5 = "tf_model.h5"
PRESET, PRESET_HEAD = "model.weights.h5", "task.weights.h5"
"""Of a preset of KerasHub: the weights of the backbone, and of a head."""
PRESET_CONFIG = "config.json"
PRESET_CLASS = re.compile(r"keras_(hub|nlp|cv)>\w+Backbone")
"""What a preset's config calls its class; the former names of the library are two of them."""
LARGEST_CONFIG = 2**24


def is_preset(path: Path) -> bool:
    """Whether a file is the weights of a preset of KerasHub, by the config next to it."""
    config = path.with_name(PRESET_CONFIG)
    if path.name != PRESET or not config.is_file() or config.stat().st_size > LARGEST_CONFIG:
        return False
    try:
        name = json.loads(config.read_text("utf-8")).get("registered_name")
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
    return isinstance(name, str) and bool(PRESET_CLASS.fullmatch(name))
