"""Checkpoints: files of named arrays, read without running anything, and put into a model.

`formats.open_checkpoint` reads; `assign.assign` and `layout.fill` fill a `keras.Model`;
`naming.model_arrays`, `layout.layout_arrays` and `safetensors.save_safetensors` write. A `Layout`
says how the public checkpoints of a family name their arrays.
"""
