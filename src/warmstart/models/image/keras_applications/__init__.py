"""The image families of Keras."""
