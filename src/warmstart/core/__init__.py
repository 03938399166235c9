"""What all tasks share: finding, opening, compiling and saving models, their inputs and results.

Nothing here imports TensorFlow before it is needed.
"""
