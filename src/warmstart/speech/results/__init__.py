"""Results of tasks on speech."""
