"""Decoding of CTC: from the log probabilities of characters to words, with a language model."""
