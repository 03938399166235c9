"""Networks for time series: one folder per family, and common modules."""
