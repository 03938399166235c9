"""Names of weight files, in a module that does not import numpy."""

import json
import re
from pathlib import Path

RECORD, PROGRAM, REST = "artifact.json", "program.tflite", "rest.safetensors"
IN_PROGRAM = f"artifacts/float32/{RECORD}"
"""In a bundle: the checkpoint whose arrays are in the compiled program."""
TRANSFORMERS_H5 = "tf_model.h5"
PRESET, PRESET_HEAD = "model.weights.h5", "task.weights.h5"
"""In a KerasHub preset: the weights of the backbone, and of the head."""
PRESET_CONFIG = "config.json"
PRESET_CLASS = re.compile(r"keras_(hub|nlp|cv)>\w+Backbone")
"""The class name in a preset's config, also with the former names of the library."""
LARGEST_CONFIG = 2**24


def is_preset(path: Path) -> bool:
    """Whether a file contains the weights of a KerasHub preset, by the config next to it."""
    config = path.with_name(PRESET_CONFIG)
    if path.name != PRESET or not config.is_file() or config.stat().st_size > LARGEST_CONFIG:
        return False
    try:
        name = json.loads(config.read_text("utf-8")).get("registered_name")
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
    return isinstance(name, str) and bool(PRESET_CLASS.fullmatch(name))
