"""Fine-tuning text embedding on pairs or triplets: texts that belong together -> encoder -> vectors
-> bundle.

The loss is the cross-entropy of an anchor's own text among all texts of the batch, by cosines times
`scale`: Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply" (2017),
arXiv:1705.00652, section 4.4, known as MultipleNegativesRankingLoss. Texts of a batch that are equal
to the anchor's own are not negatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from warmstart.core.probabilities import log_softmax
from warmstart.core.search import unit
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.models.text import sentence_modules
from warmstart.models.text.outputs import with_features
from warmstart.text import corpus
from warmstart.text.corpus import TextExample
from warmstart.text.embedding import EmbedOptions, TextEmbedder, document_prompt, query_prompt
from warmstart.text.tokenizer import Encoded
from warmstart.text.train.batches import Pad
from warmstart.text.train.encoder import VALIDATION_BATCH, EncoderTrainer
from warmstart.text.train.options import EmbeddingOptions
from warmstart.training.sorted_batches import SortedBatches

FAR = -1e9
"""Score of a text that is not a negative."""
LABEL_REPEATS, LABEL_WORDS = 3, 3
"""Second texts are taken for labels where each occurs so often on average, and has so few words."""


class EmbeddingTrainer(EncoderTrainer[EmbeddingOptions, TextExample, TextEmbedder]):
    """Vectors of texts; the best epoch finds the most of the anchors' own texts."""

    task = "text-embedding"
    unit = "pairs"
    monitor = "val_accuracy"
    keep_start = True

    def open(self) -> None:
        super().open()
        processing = self.model.entry.processing
        if processing.get("dense"):
            raise UsageError(
                f"{self.model.name} has Dense modules after its network, which cannot be trained."
            )
        own = processing if self.model.entry.task == self.task else sentence_modules.DEFAULTS
        self.processing = {key: value for key, value in own.items() if key != "max_length"}

    def head_config(self) -> Mapping[str, Any]:
        return {"head": "base"}

    def examples(self, data: Any) -> list[TextExample]:
        reading = self.options.reading()
        return corpus.pairs(data, problems=self.problems, columns=self.columns, **reading)

    def check(self) -> None:
        if self.options.batch_size == 1 and len(self.train_examples[0].texts) == 2:
            raise UsageError(
                "With batch_size=1 a pair has no negatives; use 2 or more, or triplets."
            )
        partners = {example.texts[1] for example in self.train_examples}
        repeated = len(partners) * LABEL_REPEATS <= len(self.train_examples)
        if repeated and all(len(text.split()) <= LABEL_WORDS for text in partners):
            raise UsageError(
                f"The second texts of {counted(len(self.train_examples), 'pair')} have only "
                f"{counted(len(partners), 'different value')}, such as {min(partners)[:40]!r}: they "
                "look like labels. Pairs are two matching texts; use labels to train a "
                "classifier (task='text-classification')."
            )

    def group_of(self, example: TextExample) -> str:
        return example.texts[0] if example.group is None else example.group

    def text_batches(self, examples: Sequence[TextExample], shuffle: bool) -> PairBatches:
        options = self.options
        return PairBatches(
            [self.encoded(example) for example in examples],
            [example.texts for example in examples],
            self.pad,
            batch_size=options.batch_size if shuffle else VALIDATION_BATCH,
            shuffle=shuffle,
            seed=options.seed,
        )

    def encoded(self, example: TextExample) -> list[Encoded]:
        """The texts of an example as tokens, with the prompts of queries and documents that the base
        has."""
        prompts = self.predictor.prompts
        document = document_prompt(prompts)
        names = (query_prompt(prompts), document, document)
        return [
            self.predictor.tokenize(
                self.predictor.prompt_of(EmbedOptions(prompt_name=name)) + text, example.name
            )
            for text, name in zip(example.texts, names, strict=False)
        ]

    def learner(self) -> keras.Model:
        processing = self.processing
        model = with_features(
            self.network, processing.get("pooling"), bool(processing.get("normalize"))
        )
        self.embedder = keras.Model(model.input, model.output["features"], name="embedder")
        return self.embedder

    def loss(self) -> keras.losses.Loss:
        return RankingLoss(self.options.scale, len(self.train_examples[0].texts))

    def measure(self) -> dict[str, float]:
        """`accuracy`: the share of anchors whose own text is nearest of all validation texts; and the
        loss over all of them."""
        batches = self.validation_text_batches
        vectors: list[np.ndarray] = []
        texts: list[np.ndarray] = []
        for index in range(len(batches)):
            inputs, truth = batches.batch(0, index)
            vectors.append(np.asarray(self.embedder.predict_on_batch(inputs)))
            texts.append(truth)
        roles = len(self.validation_examples[0].texts)
        parts = [np.split(part, roles) for part in vectors]
        names = [np.split(part, roles) for part in texts]
        order = [
            np.concatenate([part[role] for part in parts]).astype(np.float64)
            for role in range(roles)
        ]
        ids = [np.concatenate([part[role] for part in names])[:, 0] for role in range(roles)]
        scores = unit(order[0]) @ unit(np.concatenate(order[1:])).T
        candidates = np.concatenate(ids[1:])
        equal = candidates[None, :] == ids[1][:, None]
        rows = np.arange(len(scores))
        own = scores[rows, rows]
        others = np.where(equal, -np.inf, scores).max(axis=1, initial=-np.inf)
        logits = np.where(equal, FAR, self.options.scale * scores)
        logits[rows, rows] = self.options.scale * own
        loss = -float(log_softmax(logits)[rows, rows].mean())
        return {"loss": loss, "accuracy": float((own > others).mean())}


class PairBatches(SortedBatches):
    """All anchors of a batch, then their own texts, then texts that do not belong to them.

    The target of each text is a number that equal texts share, int32 (N, 1).

    Args:
        encoded: the texts of each example.
        texts: the same as strings.
        pad: called with (texts, length); returns the model's inputs.
        batch_size, shuffle, seed: as for `SortedBatches`.
    """

    def __init__(
        self,
        encoded: Sequence[Sequence[Encoded]],
        texts: Sequence[Sequence[str]],
        pad: Pad,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
    ):
        lengths = [max(map(len, group)) for group in encoded]
        super().__init__(lengths, batch_size=batch_size, shuffle=shuffle, seed=seed)
        numbers: dict[str, int] = {}
        self.numbers = [
            [numbers.setdefault(text, len(numbers)) for text in group] for group in texts
        ]
        self.encoded, self.pad = encoded, pad

    def padded(self, epoch: int, index: int, more: int) -> tuple[Any, ...]:
        rows = self.indices(epoch, index)
        roles = range(len(self.encoded[0]))
        texts = [self.encoded[row][role] for role in roles for row in rows]
        numbers = [self.numbers[row][role] for role in roles for row in rows]
        inputs = self.pad(texts, self.length(rows, more))
        return inputs, np.array(numbers, np.int32)[:, None]


@keras.saving.register_keras_serializable("warmstart")
class RankingLoss(keras.losses.Loss):
    """Cross-entropy of each anchor's own text among the texts of a batch; see `PairBatches`.

    Args:
        scale: of the cosines.
        roles: texts of an example.
    """

    def __init__(self, scale: float = 20.0, roles: int = 2, **options: Any):
        super().__init__(**{"name": "ranking", **options})
        self.scale, self.roles = scale, roles

    def call(self, y_true: Any, y_pred: Any) -> Any:
        units = y_pred / ops.maximum(ops.sqrt(ops.sum(y_pred * y_pred, -1, keepdims=True)), 1e-12)
        count = ops.shape(units)[0] // self.roles
        scores = self.scale * ops.matmul(
            units[:count], ops.transpose(units[count:])
        )  # (B, B or 2B)
        texts = ops.cast(y_true[count:, 0], "int32")
        equal = ops.equal(ops.expand_dims(texts, 0), ops.expand_dims(texts[:count], 1))
        own = ops.cast(ops.one_hot(ops.arange(count), ops.shape(texts)[0]), "bool")
        scores = ops.where(ops.logical_and(equal, ops.logical_not(own)), FAR, scores)
        return ops.sparse_categorical_crossentropy(ops.arange(count), scores, from_logits=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "roles": self.roles}
