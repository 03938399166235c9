"""Fine-tuning of text models."""
