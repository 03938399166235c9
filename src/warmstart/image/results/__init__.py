"""Results of tasks on images."""
