"""Text: classification, embedding, entities, question answering, masked words, generation."""
