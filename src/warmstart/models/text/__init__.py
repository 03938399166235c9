"""Networks of texts: a folder a family, and the modules that families share."""
