"""Checkpoints: files of named arrays, which are read without running code, and loaded into models.

`formats.open_checkpoint` reads; `assign.assign` and `layout.fill` fill a `keras.Model`;
`naming.model_arrays`, `layout.layout_arrays` and `safetensors.save_safetensors` write. A `Layout`
says how the public checkpoints of a family name their arrays.
"""
