"""Wrapping models of named arrays; Keras only here."""
