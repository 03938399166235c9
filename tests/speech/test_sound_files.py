"""Recordings that are cut off are refused; those with a placeholder for their size are read whole."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from warmstart.errors import InputError
from warmstart.speech import audio, sound_files

RATE = 16_000
SOUND = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
UNKNOWN = (0, 0x7F000000, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36)


def written(**options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SOUND, RATE, **options)
    return file.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return audio.decode(data, name="talk", sample_rate=RATE)


def patched(data: bytes, offset: int, layout: str, *numbers: int) -> bytes:
    number = struct.pack(layout, *numbers)
    return data[:offset] + number + data[offset + len(number) :]


CUT = {
    "wav": {"format": "WAV"},
    "wav, 24 bits": {"format": "WAV", "subtype": "PCM_24"},
    "wav, u-law": {"format": "WAV", "subtype": "ULAW"},
    "wav, ADPCM": {"format": "WAV", "subtype": "IMA_ADPCM"},
    "rifx": {"format": "WAV", "endian": "BIG"},
    "extensible": {"format": "WAVEX"},
    "rf64": {"format": "RF64"},
    "w64": {"format": "W64"},
    "aiff": {"format": "AIFF"},
    "au": {"format": "AU"},
    "au, little": {"format": "AU", "endian": "LITTLE"},
    "mp3": {"format": "MP3"},
}


@pytest.mark.parametrize("options", CUT.values(), ids=CUT)
def test_what_is_cut_off_is_refused_with_both_lengths(options):
    data = written(**options)
    assert len(decoded(data)) == pytest.approx(len(SOUND), abs=1200)
    for share in (0.5, 0.9):
        with pytest.raises(
            InputError, match=r"^talk: is cut off after .* s of 4\.0[0-9] s(\n|$)"
        ) as error:
            decoded(data[: int(share * len(data))])
        assert float(str(error.value).split()[5]) == pytest.approx(4 * share, abs=0.15)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_that_ends_within_a_page_is_cut_off(subtype):
    data = written(format="OGG", subtype=subtype)
    assert len(decoded(data + b"TAG" + bytes(125))) == len(SOUND)
    for share in (0.6, 0.999):
        with pytest.raises(InputError, match=r"^talk: is (damaged or )?cut off"):
            decoded(data[: int(share * len(data))])


@pytest.mark.parametrize("form", ["FLAC", "CAF", "OGG", "WAVEX"])
def test_one_that_cannot_be_opened_is_not_called_something_else(form):
    with pytest.raises(InputError, match=r"^talk: is damaged or cut off(\n|$)"):
        decoded(written(format=form)[:60])


def test_a_header_is_not_a_recording():
    for options in ({"format": "WAV"}, {"format": "AU"}):
        data = written(**options)
        start = len(data) - 2 * len(SOUND)
        with pytest.raises(InputError, match=r"is cut off after 0\.00 s"):
            decoded(data[:start])
        assert decoded(data[: len(data) - start // 2]).size  # programs that count the header


@pytest.mark.parametrize("size", UNKNOWN)
def test_placeholders_of_programs_that_write_to_a_pipe(size):
    wav, aiff, au = written(format="WAV"), written(format="AIFF"), written(format="AU")
    rifx = written(format="WAV", endian="BIG")
    for total in (0, 36, size):
        for data, order in ((wav, "<I"), (rifx, ">I")):
            assert len(decoded(patched(patched(data, 4, order, total), 40, order, size))) == len(
                SOUND
            )
    start = aiff.index(b"SSND") + 4
    data = patched(patched(aiff, 4, ">I", size), start, ">I", size)
    assert len(decoded(data)) == len(SOUND)
    assert len(decoded(patched(au, 8, ">I", size))) == len(SOUND)
    assert sound_files.file_seconds(patched(au, 8, ">I", size)) == 4


@pytest.mark.parametrize("size", [0, 2**63 - 1, 2**64 - 1])
def test_placeholders_of_64_bits(size):
    rf64, w64, caf = written(format="RF64"), written(format="W64"), written(format="CAF")
    sizes = rf64.index(b"ds64") + 8
    assert len(decoded(patched(rf64, sizes, "<QQQ", size, size, size))) == len(SOUND)
    data = patched(patched(w64, 16, "<Q", size), w64.index(b"data") + 16, "<Q", size)
    assert len(decoded(data)) == len(SOUND)
    assert len(decoded(patched(caf, caf.index(b"data") + 4, ">Q", size))) >= len(SOUND)


def test_a_wav_without_samples_may_have_other_chunks():
    data = (
        patched(written(format="WAV")[:44], 40, "<I", 0)
        + b"LIST"
        + struct.pack("<I", 400)
        + bytes(400)
    )
    with pytest.raises(InputError, match="has no samples"):
        decoded(patched(data, 4, "<I", len(data) - 8))


@pytest.mark.parametrize("order", [1, -1], ids=["loud first", "silent first"])
def test_an_mp3_without_a_count_of_its_frames_is_read_to_its_end(order):
    """libsndfile estimates the count from the first frames, and reads no more than that."""
    sound = np.concatenate([SOUND, np.zeros(6 * RATE, np.float32)])[::order]
    file = io.BytesIO()
    soundfile.write(file, sound, RATE, format="MP3", bitrate_mode="VARIABLE")
    data = file.getvalue()
    first = data.index(data[:2], 2)  # of the frame behind the one with the count
    tag = b"ID3\4\0\0" + bytes((0, 0, 7, 104)) + bytes(1000)
    for counted in (data, tag + data):
        assert len(decoded(counted)) == len(sound)
        with pytest.raises(InputError, match=r"is cut off after .* of 10\.00 s"):
            decoded(counted[: len(counted) // 2])
    for estimated in (data[first:], tag + data[first:], data[first:] + b"TAG" + bytes(125)):
        assert len(decoded(estimated)) == pytest.approx(len(sound), abs=3000)
    assert (
        RATE < len(decoded(data[first : len(data) // 2])) < 9 * RATE
    )  # nothing tells that it is cut
