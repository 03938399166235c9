"""The image families that Keras ships."""
