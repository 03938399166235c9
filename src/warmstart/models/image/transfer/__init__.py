"""A pretrained image network with a head of its own."""
