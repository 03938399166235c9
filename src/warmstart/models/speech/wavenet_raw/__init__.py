"""WaveNet as a recogniser of raw audio."""
