"""Whisper: its tokens, decoding rules, program and transcription."""
