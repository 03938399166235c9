"""WaveNet as a recogniser of features."""
