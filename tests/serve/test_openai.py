"""OpenAI's client against its endpoints."""

import base64
import io
import json
import math
import wave
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.engines.base import Engine, Signature, TensorSpec
from warmstart.speech.recognizer import Recognizer
from warmstart.speech.results.transcript import Segment, Transcript, Word

from .conftest import Client

GOLDEN = Path(__file__).parents[1] / "golden"
WIDTH = 8


class Sums(Engine):
    """A network that needs no compiling: the "features" of a text are powers of the mean of its
    tokens.
    """

    name = "sums"

    def __init__(self):
        inputs = tuple(
            TensorSpec(name, "int32", ("batch", "tokens"), 0, 50)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        )
        super().__init__(
            {"forward": Signature(inputs, (TensorSpec("features", "float32", ("batch", WIDTH)),))}
        )

    def _run(self, function, arrays):
        mask = arrays["attention_mask"]
        mean = (arrays["input_ids"] * mask).sum(1) / mask.sum(1) / 100
        return {"features": np.stack([mean**n for n in range(WIDTH)], 1).astype(np.float32)}


class Listener(Recognizer):
    """Its transcript of a recording is the length."""

    feature_size = WIDTH

    def check(self, options):
        pass

    def transcribe(self, name, recording, options, channel=None):
        from warmstart.speech import audio

        yield
        parts = audio.pieces(recording, name=name, sample_rate=16000, channel=channel)
        samples = np.concatenate(list(parts))
        if channel is not None:
            samples = samples[samples > 0]  # the length of the sound
        seconds = len(samples) / 16000
        text = f"{seconds:.1f} seconds"
        words = (Word("seconds", 0.0, seconds, 0.9),) if options.word_timestamps else ()
        return Transcript(
            name,
            "listener",
            text,
            options.language or "en",
            words,
            (Segment(text, 0.0, seconds, 0.9),),
            seconds,
        )

    def features(self, name, recording, sample_rate):
        raise NotImplementedError


@pytest.fixture(scope="module")
def server(models):
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer

    embedder = ws.load(GOLDEN / "text" / "bert_base", task="text-embedding")
    embedder._engine = Sums()
    listener = ws.load(GOLDEN / "whisper")
    listener._engine = Sums()
    listener._recognizer = Listener(listener._engine, listener.entry)
    names = {
        "embedder": embedder,
        "listener": listener,
        "shakespeare_gpt2": models["shakespeare_gpt2"],
        "speaker": ws.load("digits_wavenet", engine="litert"),
    }
    with BackgroundServer(create_app(names)) as address:
        yield Client(address)


@pytest.fixture(scope="module")
def openai(server):
    found = pytest.importorskip("openai").OpenAI(
        base_url=f"{server.address}/v1", api_key="x", max_retries=0
    )
    yield found
    found.close()


@pytest.fixture(scope="module")
def recording() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(np.zeros(16000, "<i2").tobytes())
    return file.getvalue()


def test_a_transcript_of_each_channel(server):
    """In the body's options, in the query and in a form; a channel that is not there is refused."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((2, 2, 16000, 0, "NONE", ""))
        left, right = np.zeros((2, 16000), "<i2")
        left[:8000], right[:4000] = 999, 999
        sound.writeframes(np.stack([left, right], 1).tobytes())
    path, content = "/v1/predict/listener", file.getvalue()
    answer = server.post(f"{path}?channel=each", content, Content_Type="audio/wav")
    assert answer.status == 200, answer.body
    result = json.loads(answer.body)
    assert result["text"] == "0.5 seconds\n0.2 seconds"
    assert [one["text"] for one in result["channels"]] == ["0.5 seconds", "0.2 seconds"]
    assert [segment["channel"] for segment in result["segments"]] == [1, 2]
    body = {"inputs": base64.b64encode(content).decode(), "options": {"channel": "each"}}
    assert json.loads(server.post(path, body).body)["channels"] == result["channels"]
    body["options"]["channel"] = 3
    refused = server.post(path, body)
    assert refused.status == 400
    assert b"2 channels, and no channel 3" in refused.body


def test_models(openai):
    names = ["embedder", "listener", "shakespeare_gpt2", "speaker"]
    assert [one.id for one in openai.models.list()] == names
    assert openai.models.retrieve("embedder").owned_by == "warmstart"


def test_completions(openai, models):
    asked = {"model": "shakespeare_gpt2", "max_tokens": 12, "temperature": 0}
    expected = models["shakespeare_gpt2"]("ROMEO:", max_new_tokens=12, temperature=0)
    whole = openai.completions.create(prompt="ROMEO:", **asked)
    assert whole.choices[0].text == expected.text
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 12
    pieces = list(
        openai.completions.create(
            prompt="ROMEO:", stream=True, stream_options={"include_usage": True}, **asked
        )
    )
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == expected.text
    assert len([piece for piece in pieces if piece.choices and piece.choices[0].text]) > 3
    assert pieces[-1].usage.total_tokens == whole.usage.total_tokens
    several = openai.completions.create(
        model="shakespeare_gpt2",
        prompt=["ROMEO:", "A"],
        n=2,
        seed=5,
        max_tokens=4,
        logprobs=0,
        echo=True,
    )
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert several.choices[0].text != several.choices[1].text
    assert several.choices[3].text.startswith("A")
    assert len(several.choices[2].logprobs.tokens) == 4 + len(
        models["shakespeare_gpt2"].tokenizer.encode("A").ids
    )


def test_scores_of_a_prompt(openai, models):
    """`max_tokens=0` with `echo`, as evaluation harnesses ask for it."""
    model = models["shakespeare_gpt2"]
    ask = {"model": "shakespeare_gpt2", "max_tokens": 0, "echo": True, "logprobs": 0}
    answer = openai.completions.create(prompt=["ROMEO:\nBut soft", "A"], **ask)
    first = answer.choices[0]
    assert first.text == "ROMEO:\nBut soft"
    assert "".join(first.logprobs.tokens) == first.text
    score = model.score(first.text)
    assert first.logprobs.token_logprobs[0] is None
    assert first.logprobs.token_logprobs[1:] == pytest.approx(score.logprobs, abs=1e-6)
    assert first.logprobs.text_offset[:2] == [0, len(first.logprobs.tokens[0])]
    assert answer.usage.completion_tokens == 0


def test_alternatives(openai, models):
    model = models["shakespeare_gpt2"]
    ask = {"model": "shakespeare_gpt2", "prompt": "ROMEO:", "max_tokens": 6, "logprobs": 3}
    answer = openai.completions.create(temperature=0, **ask).choices[0]
    assert "".join(answer.logprobs.tokens) == answer.text
    for piece, logprob, top in zip(
        answer.logprobs.tokens,
        answer.logprobs.token_logprobs,
        answer.logprobs.top_logprobs,
        strict=True,
    ):
        assert len(top) == 3
        assert max(top, key=top.get) == piece  # temperature 0
        assert top[piece] == pytest.approx(logprob, abs=1e-4)
        assert sum(map(math.exp, top.values())) <= 1
    echoed = openai.completions.create(temperature=2, seed=1, echo=True, **ask).choices[0].logprobs
    assert echoed.token_logprobs[0] is echoed.top_logprobs[0] is None
    pairs = list(zip(echoed.tokens, echoed.top_logprobs, strict=True))[1:]
    assert all(piece in top for piece, top in pairs)
    assert {len(top) for _, top in pairs} == {3, 4}  # with the token itself, where it is another
    prompt = len(model.tokenizer.encode("ROMEO:").ids)
    assert echoed.token_logprobs[1:prompt] == pytest.approx(
        model.score("ROMEO:").logprobs, abs=1e-6
    )


def test_prompts_of_token_indices(openai, models):
    tokenizer = models["shakespeare_gpt2"].tokenizer
    ask = {"model": "shakespeare_gpt2", "max_tokens": 8, "temperature": 0}
    expected = openai.completions.create(prompt=["ROMEO:", "JULIET:"], **ask)
    indices = [tokenizer.encode(text).ids.tolist() for text in ("ROMEO:", "JULIET:")]
    assert openai.completions.create(prompt=indices, **ask).choices == expected.choices
    assert openai.completions.create(prompt=indices[0], **ask).choices == expected.choices[:1]


def test_sampling_by_extra_fields(openai, models):
    ask = {"model": "shakespeare_gpt2", "max_tokens": 12, "temperature": 0.9, "seed": 3}
    answer = openai.completions.create(prompt="A", extra_body={"top_k": 1}, **ask)
    greedy = models["shakespeare_gpt2"]("A", max_new_tokens=12, temperature=0).text
    assert answer.choices[0].text == greedy
    extra = {"min_p": 0.2, "repetition_penalty": 1.3}
    answer = openai.completions.create(prompt="A", extra_body=extra, **ask)
    expected = models["shakespeare_gpt2"](
        "A", max_new_tokens=12, temperature=0.9, seed=3, top_p=None, **extra
    )
    assert answer.choices[0].text == expected.text


def test_speech(openai, server):
    import openai as library
    import soundfile

    ask = openai.audio.speech.create
    for form in ("wav", "flac", "mp3"):
        content = ask(model="speaker", voice="theo", input="seven", response_format=form).read()
        samples, rate = soundfile.read(io.BytesIO(content))
        assert rate == 8000
        assert len(samples) > 1000
    raw = ask(model="speaker", voice="theo", input="seven", response_format="pcm")
    assert raw.response.headers["content-type"] == "audio/pcm;rate=24000"
    direct = server.post(
        "/v1/predict/speaker",
        {"inputs": "seven", "options": {"speaker": "theo"}},
        Accept="audio/wav",
    )
    expected, _ = soundfile.read(io.BytesIO(direct.body))
    found = np.frombuffer(raw.read(), "<i2") / 32768
    assert len(found) == 3 * len(expected)
    low = len(expected) * 3000 // 8000  # below 3 kHz, which a filter for 4 kHz leaves alone
    before, after = np.fft.rfft(expected)[:low], np.fft.rfft(found)[:low] / 3
    assert np.linalg.norm(after - before) < 0.02 * np.linalg.norm(before)
    for wrong in ({"voice": "alloy"}, {"input": "hello"}, {"speed": 2}, {"model": "embedder"}):
        with pytest.raises(library.BadRequestError):
            ask(**{"model": "speaker", "voice": "theo", "input": "seven", **wrong})


def test_errors_have_the_form_of_openai_wherever_its_clients_ask(server, openai):
    import openai as library

    for method, path in (
        ("GET", "/v1/models/nothing"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/completions"),
        ("POST", "/v1/audio/speech"),
    ):
        answer = server(method, path, b"{}", {"Content-Type": "application/json"})
        assert answer.status >= 400
        assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    with pytest.raises(library.NotFoundError, match="no model"):
        openai.models.retrieve("nothing")
    assert isinstance(server.post("/v1/predict/nothing", b"").json["error"], str)


def test_the_limit_of_tokens_holds_on_every_path(models):
    from warmstart.serve.app import create_app
    from warmstart.serve.server import BackgroundServer
    from warmstart.serve.settings import Settings

    model, path = {"gpt2": models["shakespeare_gpt2"]}, "/v1/completions"
    with BackgroundServer(create_app(model, Settings(max_new_tokens=5))) as address:
        ask = Client(address)

        def texts(**options):
            parameters = {name: n for name, n in options.items() if n}
            tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["A"]}
            completion = {"max_tokens": options["max_new_tokens"]} if parameters else {}
            return (
                ask.post(path, {"model": "gpt2", "prompt": "A", **completion}),
                ask.post(path, {"model": "gpt2", "prompt": "A", "stream": True, **completion}),
                ask.post("/v1/predict/gpt2", {"inputs": "A", "options": parameters}),
                ask.post("/v2/models/gpt2/infer", {"inputs": [tensor], "parameters": parameters}),
            )

        whole, stream, plain, tensors = texts()
        assert whole.json["usage"]["completion_tokens"] == 5
        assert stream.body.count(b"data: ") <= 5 + 2
        assert len(plain.json["tokens"]) == 5
        assert len(json.loads(tensors.json["outputs"][0]["data"][0])["tokens"]) == 5
        assert [answer.status for answer in texts(max_new_tokens=5)] == [200] * 4
        for answer, name in zip(
            texts(max_new_tokens=6), ("max_tokens",) * 2 + ("max_new_tokens",) * 2, strict=True
        ):
            assert answer.status == 400
            error = answer.json["error"]
            message = error["message"] if isinstance(error, dict) else error
            assert message == f"{name} must be from 1 to 5 on this server, not 6."


def test_a_prompt_that_is_too_long_can_slide(server):
    ask = {"model": "shakespeare_gpt2", "prompt": "x " * 3000, "max_tokens": 2}
    message = server.post("/v1/completions", ask).json["error"]["message"]
    assert "lower max_tokens, or set overflow='slide'" in message
    assert server.post("/v1/completions", {**ask, "overflow": "slide"}).status == 200


def test_the_bad_prompt_is_named(openai):
    import openai as library

    ask = {"model": "shakespeare_gpt2", "max_tokens": 2}
    for prompts in (["A", "x " * 3000, "B"], ["A", "B\0"], [[1, 2], [10**6]]):
        with pytest.raises(library.BadRequestError, match=r"(input|prompt|Prompt) 2"):
            openai.completions.create(prompt=prompts, **ask)


def test_what_completions_refuse(openai):
    import openai as library

    good = {"model": "shakespeare_gpt2", "prompt": "A"}
    for wrong in (
        {"model": "nothing"},
        {"model": "embedder"},
        {"prompt": ""},
        {"prompt": []},
        {"max_tokens": 0},
        {"max_tokens": 0, "echo": True, "stream": True},
        {"prompt": [1, "A"]},
        {"prompt": [767, 767, -1]},
        {"logprobs": 6},
        {"logprobs": 1, "stream": True},
        {"extra_body": {"top_k": 0}},
        {"max_tokens": 5000},
        {"temperature": 3},
        {"best_of": 2},
        {"logit_bias": {"1": 2}},
        {"n": 0},
        {"frequency_penalty": 1},
        {"prompt": "x " * 3000},
        {"stream": True, "n": 2},
        {"suffix": "x"},
    ):
        with pytest.raises((library.BadRequestError, library.NotFoundError)) as raised:
            list(openai.completions.create(**{**good, **wrong}))
        assert raised.value.body["message"]


def test_a_stream_is_what_the_protocol_says(server):
    answer = server.post(
        "/v1/completions",
        {"model": "shakespeare_gpt2", "prompt": "A", "stream": True, "max_tokens": 3},
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.body.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(
        json.loads(event.removeprefix("data: "))["object"] == "text_completion"
        for event in events[:-2]
    )


def test_embeddings(openai):
    for form in ("float", "base64"):
        found = openai.embeddings.create(
            model="embedder", input=["the man", "a dog of the man"], encoding_format=form
        )
        assert len(found.data) == 2
        assert found.usage.prompt_tokens > 4
    by_default = openai.embeddings.create(model="embedder", input="the man").data[0].embedding
    exact = (
        openai.embeddings.create(model="embedder", input="the man", encoding_format="float")
        .data[0]
        .embedding
    )
    assert len(exact) == WIDTH
    np.testing.assert_allclose(by_default, exact, atol=1e-6)


def test_transcriptions(openai, server, recording):
    ask = openai.audio.transcriptions.create
    file = ("talk.wav", recording)
    assert ask(model="listener", file=file).text == "1.0 seconds"
    assert ask(model="listener", file=file, response_format="text").strip() == "1.0 seconds"
    assert "00:00:00,000 --> 00:00:01,000" in ask(
        model="listener", file=file, response_format="srt"
    )
    assert ask(model="listener", file=file, response_format="vtt").startswith("WEBVTT")
    told = ask(
        model="listener",
        file=file,
        response_format="verbose_json",
        language="de",
        timestamp_granularities=["word", "segment"],
    )
    assert (told.language, told.duration, told.words[0].word) == ("de", 1.0, "seconds")
    import openai as library

    for wrong in (
        {"file": ("x.wav", b"no sound")},
        {"file": ("x.wav", recording[:30])},
        {"response_format": "xml"},
        {"model": "embedder"},
        {"file": ("x.wav", b"")},
    ):
        with pytest.raises(library.BadRequestError):
            ask(**{"model": "listener", "file": file, **wrong})
