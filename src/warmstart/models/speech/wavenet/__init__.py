"""WaveNet, the generator."""
