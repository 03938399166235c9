"""WaveNet as a recognizer of raw audio."""
