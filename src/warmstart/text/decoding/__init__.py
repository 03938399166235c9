"""Generating text token by token: the decoder's steps, the choice of tokens, and their conversion
to text.
"""
