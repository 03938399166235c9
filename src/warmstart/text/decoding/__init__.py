"""Text, token by token: the decoder's steps, the choice among logits, and the way back to
characters.
"""
