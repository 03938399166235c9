"""Options of fine-tuning text models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from warmstart.core.options import Option
from warmstart.core.records.options import (
    CorpusTable,
    GroupTable,
    NamedClasses,
    PositiveTable,
    QuestionTable,
    TextTable,
    TokenTable,
)
from warmstart.errors import UsageError
from warmstart.training.options import ClassWeightOptions, FreezeOptions, LossOptions, RayOptions
from warmstart.training.types import Validation


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(FreezeOptions):
    """Options of all tasks on an encoder; the defaults are BERT's (Devlin et al. 2018, A.3)."""

    # Three epochs are right for large data (Devlin et al.), and too few steps for small data
    # (Mosbach, Andriushchenko, Klakow, "On the Stability of Fine-tuning BERT" (2021),
    # arXiv:2006.04884, section 6).
    epochs: Annotated[
        int | None,
        Option(
            "Maximum number of epochs; the best one is selected. Default: 3; for small data "
            "enough for 300 steps, at most 20.",
            ge=1,
        ),
    ] = None  # type: ignore[assignment]  # None: the size of the data decides
    max_length: Annotated[
        int | None,
        Option("Maximum number of tokens of a text; default: that of the base.", ge=8, rare=True),
    ] = None
    warmup: Annotated[
        float,
        Option("Fraction of the steps in which the learning rate rises.", ge=0, lt=1, rare=True),
    ] = 0.1
    weight_decay: Annotated[
        float, Option("Weight decay of AdamW, only on kernels and embeddings.", ge=0, rare=True)
    ] = 0.01
    lora: Annotated[
        int | None,
        Option("Train a low-rank adapter of this rank and the head; the base is frozen.", ge=1),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lora is not None and self.freeze not in (0, "none"):
            raise UsageError(
                "lora trains an adapter and the head, and freezes everything else; pass lora "
                "or freeze, not both."
            )


@dataclass(frozen=True, kw_only=True)
class TextClassificationOptions(
    TextTable, GroupTable, NamedClasses, EncoderOptions, ClassWeightOptions, LossOptions, RayOptions
):
    """Options of text classification and regression."""

    # A head that is solved before training needs fewer steps than one that is learned.
    epochs: Annotated[
        int | None,
        Option(
            "Maximum number of epochs; the best one is selected. Default: 3; for small data "
            "enough for 300 steps (120 if refit is 2 by default), at most 20.",
            ge=1,
        ),
    ] = None  # type: ignore[assignment]  # None: the size of the data decides
    problem: Annotated[
        Literal["single", "multi", "regression"] | None,
        Option(
            "One class per text (single), any number of classes (multi), or a number "
            "(regression); default: inferred from the labels.",
            rare=True,
        ),
    ] = None
    names: Annotated[
        Mapping[str, str] | None,
        Option('Readable names by label, such as {"1": "positive"}.', cli=False, rare=True),
    ] = None
    adversarial: Annotated[
        float,
        Option(
            "Norm of the adversarial perturbation of the word embeddings; 0: off.", ge=0, rare=True
        ),
    ] = 0.0
    refit: Annotated[
        int | None,
        Option(
            "Number of further runs on all texts, including the validation texts, after the "
            "evaluated one; the result is the mean of their weights. Default: 2 for a "
            "sentence embedder as the base and up to 320 texts, 20 or more per class; else 0.",
            ge=0,
            rare=True,
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_weight is not None and self.problem in ("multi", "regression"):
            raise UsageError("class_weight is for one class per text.")


@dataclass(frozen=True, kw_only=True)
class TokenClassificationOptions(TokenTable, GroupTable, EncoderOptions):
    """Options of token classification."""


@dataclass(frozen=True, kw_only=True)
class QuestionAnsweringOptions(QuestionTable, GroupTable, EncoderOptions):
    """Options of question answering."""


@dataclass(frozen=True, kw_only=True)
class FillMaskOptions(CorpusTable, GroupTable, EncoderOptions):
    """Options of fill-mask; the defaults are BERT's (Devlin et al. 2018, section 3.1)."""

    mlm_probability: Annotated[
        float, Option("Fraction of the tokens to mask and predict.", gt=0, lt=1)
    ] = 0.15


@dataclass(frozen=True, kw_only=True)
class EmbeddingOptions(PositiveTable, GroupTable, EncoderOptions):
    """Options of text embedding."""

    # Every other text of a batch is a negative: more of them make a harder task.
    batch_size: Annotated[int, Option("Number of pairs or triplets per step.", ge=1)] = 32
    scale: Annotated[
        float,
        Option("Factor of the cosine similarities in the softmax of the loss.", gt=0, rare=True),
    ] = 20.0


@dataclass(frozen=True, kw_only=True)
class GenerationOptions(FreezeOptions):
    """Options of language models."""

    # A language model forgets what it knew when it sees a small text often.
    epochs: Annotated[int, Option("Maximum number of epochs; the best one is selected.", ge=1)] = 3
    # The end of the text; every token counts, so that a tenth says enough.
    validation: Annotated[
        Validation, Option("Validation text, or the fraction at the end of the text to set aside.")
    ] = 0.1
    # A window holds up to 512 tokens, so that a step of 8 sees 4,096 of them.
    batch_size: Annotated[int, Option("Number of text windows per step.", ge=1)] = 8
    context: Annotated[
        int | None,
        Option(
            "Number of tokens in a window; default: the context length of the model, at most 512.",
            ge=2,
        ),
    ] = None
