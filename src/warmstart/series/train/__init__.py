"""Training of forecasting models."""
