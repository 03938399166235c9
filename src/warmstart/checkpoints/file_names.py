"""Names of files of weights."""

RECORD, PROGRAM, REST = "artifact.json", "program.tflite", "rest.safetensors"
IN_PROGRAM = f"artifacts/float32/{RECORD}"
"""In a bundle: the checkpoint whose arrays are in the compiled program."""
TRANSFORMERS_H5 = "tf_model.h5"
