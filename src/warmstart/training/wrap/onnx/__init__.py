"""ONNX graphs as Keras models: `graph` reads a file, `layer` runs it with TensorFlow operations.

Operators: https://onnx.ai/onnx/operators/. The order of axes differs from TensorFlow: ONNX has
channels first, TensorFlow last. `evaluator` leaves a feature map in the order in which it was
computed, and transposes it only if an operator needs the other order.
"""
