"""The base of all tasks: finding, opening, compiling and saving models; inputs and results.
Without TensorFlow.
"""
