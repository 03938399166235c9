"""The image families that Keras ships."""

BACKBONE = True
