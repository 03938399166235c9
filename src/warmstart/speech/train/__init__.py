"""Fine-tuning of speech models."""
