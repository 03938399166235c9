"""Whisper: its tokens, its rules, its program, and its way from sound to text."""
