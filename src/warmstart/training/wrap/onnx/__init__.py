"""ONNX graphs as Keras models: `graph` reads a file, `layer` runs it by TensorFlow's operations.

Operators: https://onnx.ai/onnx/operators/. What differs from TensorFlow is the order of axes: ONNX
has channels second, TensorFlow last. `evaluator` keeps a feature map in the order in which it was
computed, and changes it only where an operator needs the other one.
"""
