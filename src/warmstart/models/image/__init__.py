"""Networks of images: a folder a family, and the modules that families share."""
