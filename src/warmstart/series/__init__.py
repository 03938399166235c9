"""Time series: forecasting."""
