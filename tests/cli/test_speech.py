"""Which arguments of `warmstart predict` are recordings."""


def test_recordings_are_known_by_their_names():
    from warmstart.cli.predict_command import _are_sounds

    assert _are_sounds(["a.WAV", "https://x.org/b.flac"])
    assert not _are_sounds(["a.wav", "b.jpg"])
    assert not _are_sounds([])
