"""Networks of speech: a folder a family, and the modules that families share."""
