"""Audio generation: what is asked for -> conditioning -> engine, sample by sample -> `Audio`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.core.model import Model
from warmstart.core.results import Failed
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import InputError, UsageError
from warmstart.speech import audio, mu_law
from warmstart.speech.results.audio import Audio
from warmstart.speech.spectrum import Features

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

SILENCE = 0.12  # seconds between the words of one input
LONGEST = 60.0  # seconds of one word
EDGE = 1e-6  # random numbers keep this far from 0 and 1, where logarithms end


class AudioGenerator(Model):
    """Makes sound, sample by sample.

    What it can be asked for is in the entry's `processing`: `classes` (for each kind of class its names; the first
    kind is what is said), and `frames`: "position" (where in a word each frame is), "features" (mel frames: the
    network is a vocoder) or None.

    Example:
        >>> model = ws.load("digits_wavenet")
        >>> model("seven", speaker="theo", seed=1).save("seven.wav")
    """

    task = "audio-generation"

    @property
    def sample_rate(self) -> int:
        """Of what is generated, in Hz."""
        return int(self.entry.processing["sample_rate"])

    @property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """The names of each kind of class: what can be said, and by whom."""
        return tuple(tuple(map(str, names)) for names in self.entry.processing.get("classes", ()))

    def __call__(self, inputs: Any, *, speaker: str | int | None = None, seconds: float | None = None,
                 temperature: float | None = None, seed: int = 0, sample_rate: float | None = None,
                 **options: Any) -> Any:
        """Generate sound.

        Args:
            inputs: the name or number of a class ("seven", "7", 7), or several in one string ("seven three"); for a
                vocoder frames (F, size), or a recording whose frames are taken; or a list or generator of them.
            speaker: a name or number of the second kind of classes; default: drawn.
            seconds: length of each word; default: drawn from those of the training data.
            temperature: above 0; 1 draws from the distribution that was learned, less is cleaner and duller; default:
                what the entry's `processing` says, else 1.
            seed: of everything random: the same seed gives the same samples. Element n of a list has seed + n.
            sample_rate: of a recording given as a bare array.

        Returns:
            One `Audio`; a list for a list; an iterator for a generator. In these an unusable input is a `Failed`.

        Raises:
            InputError: the one input is unusable.
            UsageError: an option is wrong.
        """
        if options:
            raise UsageError(f"AudioGenerator takes no option {next(iter(options))!r}.")
        if temperature is None:
            temperature = float(self.entry.processing.get("temperature", 1.0))
        if not isinstance(temperature, int | float) or not 0 < temperature <= 10:
            raise UsageError(f"temperature must be above 0 and at most 10, not {temperature!r}.")
        if seconds is not None and not 0.02 <= seconds <= LONGEST:
            raise UsageError(f"seconds must be 0.02 to {LONGEST:g}, not {seconds!r}.")
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise UsageError(f"seed must be a whole number of 0 or more, not {seed!r}.")
        if speaker is not None:
            if len(self.classes) < 2:
                raise UsageError(f"{self.name} has no speakers to choose from.")
            speaker = self._class(1, speaker, UsageError)
        single = isinstance(inputs, str | int | np.integer | np.ndarray | bytes) or audio.is_single(inputs)
        results = self._answers([inputs] if single else inputs, speaker, seconds, float(temperature), int(seed),
                                sample_rate)
        if single:
            (result,) = results
            if isinstance(result, Failed):
                raise result.error
            return result
        return list(results) if isinstance(inputs, list | tuple) else results

    def features(self, inputs: Any) -> Any:
        """Not for generators.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{self.name} makes sound; it has no features of inputs.")

    def evaluate(self, data: Any, *, progress: Any = None) -> Mapping[str, Any]:
        """How well the model predicts recordings, as its training measures it.

        Args:
            data: recordings, or pairs (recording, (class, speaker)).

        Raises:
            UsageError: always, for now: a recogniser measures generated sound better.
        """
        raise UsageError(f"{self.name} makes sound; give what it makes to a recogniser to measure it.")

    def _answers(self, inputs: Any, speaker: Any, seconds: float | None, temperature: float, seed: int,
                 sample_rate: float | None) -> Iterator[Audio | Failed]:
        for number, value in enumerate(inputs):
            name = str(value) if isinstance(value, str | int | np.integer) else f"item {number + 1}"
            random = np.random.default_rng(seed + number)
            try:
                parts = [self._sound(classes, frames, count, temperature, random)
                         for classes, frames, count in self._asked(name, value, speaker, seconds, sample_rate, random)]
            except InputError as error:
                yield Failed(name, error)
                continue
            gap = np.zeros(round(SILENCE * self.sample_rate), np.float32)
            joined = [piece for part in parts for piece in (part, gap)][:-1]
            yield Audio(np.concatenate(joined), self.sample_rate, name, self.name)

    def _asked(self, name: str, value: Any, speaker: Any, seconds: float | None, sample_rate: float | None,
               random: np.random.Generator) -> Iterator[tuple[list[int], np.ndarray | None, int]]:
        """(classes, frames or None, samples) of each word."""
        rules = self.entry.processing
        hop = int(rules.get("hop", 1))
        if rules.get("frames") == "features":
            frames = self._frames(name, value, sample_rate)
            yield [0 if speaker is None else speaker] if self.classes else [], frames, len(frames) * hop
            return
        words = value.replace(",", " ").split() if isinstance(value, str) else [value]
        if not words:
            raise InputError(f"{name!r}: nothing to say", name)
        for word in words:
            chosen = [self._class(0, word, InputError)] if self.classes else []
            for kind in range(1, len(self.classes)):
                given = speaker if kind == 1 else None
                chosen.append(int(random.integers(len(self.classes[kind]))) if given is None else given)
            count = self._length(chosen, seconds, random)
            yield chosen, position_frames(count, hop, rules) if rules.get("frames") == "position" else None, count

    def _length(self, chosen: Sequence[int], seconds: float | None, random: np.random.Generator) -> int:
        """Samples of a word: as asked, or drawn from the lengths that the training data has for these classes."""
        if seconds is None:
            told: Any = self.entry.processing.get("log_seconds", [math.log(1.0), 0.0])
            for index in chosen:
                if isinstance(told[0], list | tuple):
                    told = told[index]
            seconds = math.exp(told[0] + told[1] * float(np.clip(random.standard_normal(), -1.5, 1.5)))
        return max(round(min(seconds, LONGEST) * self.sample_rate), 1)

    def _frames(self, name: str, value: Any, sample_rate: float | None) -> np.ndarray:
        """Mel frames: as given, or of a recording."""
        rules = Features.of(self.entry.processing["features"])
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == rules.size and sample_rate is None:
            if not len(value) or not np.isfinite(value).all():
                raise InputError(f"{name}: frames must be finite numbers, and at least one", name)
            return value.astype(np.float32)
        return rules(audio.decode(value, name=name, sample_rate=rules.sample_rate, given_rate=sample_rate))

    def _class(self, kind: int, value: Any, error: Callable[..., Exception]) -> int:
        """The index of a class that is named, or numbered from 0."""
        names = self.classes[kind]
        if isinstance(value, str) and value.strip().lower() in names:
            return names.index(value.strip().lower())
        number = int(value) if isinstance(value, int | np.integer) or str(value).strip().isdecimal() else -1
        if 0 <= number < len(names):
            return number
        told = f"{self.name} knows {', '.join(names)}, not {value!r}."
        raise error(told, str(value)) if error is InputError else error(told)

    def _sound(self, classes: list[int], frames: np.ndarray | None, count: int, temperature: float,
               random: np.random.Generator) -> np.ndarray:
        """One word: float32 (count,)."""
        engine, loop = self.engine, self.engine.signatures["generate"]
        shapes = {spec.name: tuple(map(int, spec.shape)) for spec in loop.inputs}
        chunk, width = shapes["uniform"][0], shapes["history"][0]
        runs = -(-count // chunk)
        uniform = random.random((runs * chunk, 2), np.float32).clip(EDGE, 1 - EDGE)
        arrays: dict[str, np.ndarray] = {
            "temperature": np.array([temperature], np.float32), "forced": np.full(chunk, -1, np.int32),
            "ring": np.zeros(shapes["ring"], np.float32), "history": np.full(width, -1, np.int32),
            "position": np.zeros(1, np.int32)}
        added = self._condition(engine, classes, frames)
        rows = shapes["added"][0]
        if rows > 1:
            added = np.pad(added, ((0, max(runs * rows - len(added), 0)), (0, 0)), mode="edge")
        parts = []
        for run in range(runs):
            out = engine.run("generate", added=added[run * rows : (run + 1) * rows] if rows > 1 else added,
                             uniform=uniform[run * chunk : (run + 1) * chunk], **arrays)
            parts.append(out["samples"])
            arrays.update({key: out[key] for key in ("ring", "history", "position")})
        return self._decoded(np.concatenate(parts)[:count])

    def _condition(self, engine: Engine, classes: list[int], frames: np.ndarray | None) -> np.ndarray:
        given: dict[str, np.ndarray] = {}
        if classes:
            given["classes"] = np.array([classes], np.int32)
        if frames is not None:
            given["frames"] = frames[None]
        if not given:
            given["nothing"] = np.zeros(1, np.float32)
        return engine.run("condition", **given)["added"]

    def _decoded(self, levels: np.ndarray) -> np.ndarray:
        count = int(self.entry.config.get("levels", 256))
        if self.entry.processing.get("companding", "mu_law") == "mu_law":
            return mu_law.decode(levels, count)
        return (2.0 * levels / (count - 1) - 1.0).astype(np.float32)

    def _open_engine(self) -> Engine:
        if self._engine_name in ("auto", "litert") and self.precision == "float32":
            from warmstart.engines.litert import LiteRTEngine

            artifact = self.artifact
            # A loop of small products, one after the other: a second thread only waits, and makes it slower.
            return LiteRTEngine(artifact.path, artifact.signatures, threads=1)
        return super()._open_engine()

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`condition` and `generate` of `models.speech.wavenet.generation`."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models.speech.wavenet import generation
        from warmstart.models.speech.wavenet.family import configured

        c = configured(entry.config)
        network = model.get_layer("wavenet")
        given = []
        if c.classes:
            given.append(TensorSpec("classes", "int32", (1, len(c.classes)), 0, min(c.classes) - 1))
        if c.frame_features:
            given.append(TensorSpec("frames", "float32", (1, "frames", c.frame_features), -1.0, 1.0))

        def condition(*arrays: Any) -> dict[str, Any]:
            named = {spec.name: array for spec, array in zip(given, arrays, strict=False)}
            added = generation.condition(network, named.get("classes"), named.get("frames"))
            return {"added": added if given else added + 0.0 * arrays[0]}

        chunk, width = generation.chunk(c), 2 * c.channels * len(c.all_dilations)
        loop = (TensorSpec("added", "float32", (chunk // c.hold if c.frame_features else 1, width), -0.1, 0.1),
                TensorSpec("uniform", "float32", (chunk, 2), 0.01, 0.99),
                TensorSpec("temperature", "float32", (1,), 0.5, 1.0),
                # Probes give every level, so that one sample on the edge of two levels changes nothing after it.
                TensorSpec("forced", "int32", (chunk,), 0, c.levels - 1),
                TensorSpec("ring", "float32", (generation.ring_rows(c), c.residual), -0.1, 0.1),
                TensorSpec("history", "int32", (c.filter_width,), 0, c.levels - 1),
                TensorSpec("position", "int32", (1,), 0, 1000))
        nothing = (TensorSpec("nothing", "float32", (1,)),)
        return Program({
            "condition": Function(condition, tuple(given) or nothing),
            "generate": Function(lambda *arrays: generation.generate(network, *arrays), loop),
        }, model)


def position_frames(samples: int, hop: int, rules: Mapping[str, Any]) -> np.ndarray:
    """What a network knows of each frame of a word of so many samples.

    Returns:
        float32 (frames, 2 * harmonics + 2): the place in the word, 0 to 1, its sines and cosines, and the logarithm of
        the word's length in units of 0.4 s.
    """
    count = -(-samples // hop)
    place = (np.arange(count)[:, None] + 0.5) / count
    k = np.pi * np.arange(1, int(rules.get("harmonics", 6)) + 1)
    length = np.full((count, 1), np.log(samples / float(rules["sample_rate"]) / 0.4))
    return np.concatenate([place, np.sin(k * place), np.cos(k * place), length], axis=1).astype(np.float32)
