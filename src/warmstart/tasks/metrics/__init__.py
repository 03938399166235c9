"""How good answers are: figures of each task, equal to those of its reference."""
