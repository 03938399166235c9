"""What every task shares: finding, opening, compiling and saving models, inputs, results. No
TensorFlow.
"""
