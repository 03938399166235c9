"""WaveNet as a recognizer of features."""
