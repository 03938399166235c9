"""A Keras model of the user: built from Keras' own description of its layers."""
