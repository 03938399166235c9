"""From the log probabilities of characters to words, with what is known of a language."""
