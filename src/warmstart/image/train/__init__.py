"""Fine-tuning of image models."""
