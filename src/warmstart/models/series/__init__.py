"""Networks of time series: a folder a family, and the modules that families share."""
