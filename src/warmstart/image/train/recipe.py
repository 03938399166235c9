"""The recipe of image fine-tuning as data: every number of it, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from warmstart.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """What `finetune` does unless told otherwise. Phase 1 trains the head, phase 2 the head and the base.

    Two phases, because a random head sends large, meaningless gradients into the base (Kumar et al., "Fine-Tuning can
    Distort Pretrained Features and Underperform Out-of-Distribution" (2022), arXiv:2202.10054, section 3.4).

    Attributes:
        views: varied views of each training photo that phase 1 sees beside the clean one.
        head_epochs, head_rate: of phase 1 for a head of your own; Adam with its usual rate. The usual head, one linear
            layer, is solved to the optimum (see `linear`).
        rate: the highest learning rate of phase 2: far below Adam's usual one, for the base is nearly right already
            (Howard and Ruder, "Universal Language Model Fine-tuning" (2018), arXiv:1801.06146, section 3.2), and Adam
            moves every weight by about the rate in each of its first steps, also those that hardly matter: measured
            with MobileNet, 1e-4 loses a tenth of the accuracy in the first epoch and needs the others to win it back.
        warmup: the share of phase 2 in which the rate rises (Goyal et al. 2017, arXiv:1706.02677).
        batch_size: photos a step; small ones generalise better (Masters and Luschi 2018, arXiv:1804.07612).
        label_smoothing: how much of the label is spread over all classes (Szegedy et al. 2015, arXiv:1512.00567,
            section 7; Müller et al. 2019, arXiv:1906.02629, for what it does to calibration).
        weight_decay: of phase 2, decoupled (Loshchilov and Hutter 2017, arXiv:1711.05101).
        clip_norm: the largest norm of all gradients together (Pascanu et al. 2013, arXiv:1211.5063).
        patience: epochs of phase 2 without a better one after which it ends.
        monitor: what the best epoch is chosen by; among equals the lower loss decides. Not the loss itself, which
            punishes an overconfidence that the temperature takes away (Guo et al. 2017, section 3).
        precision: `"float32"`; `"mixed_bfloat16"` or `"mixed_float16"` on GPUs that are faster with it (Micikevicius
            et al. 2017, arXiv:1710.03740). Weights stay float32.
    """

    views: int = 4
    head_epochs: int = 30
    head_rate: float = 1e-3
    rate: float = 3e-5
    warmup: float = 0.1
    batch_size: int = 16
    label_smoothing: float = 0.1
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    patience: int = 6
    monitor: str = "val_accuracy"
    precision: str = "float32"

    def __post_init__(self) -> None:
        whole = {"views": 0, "head_epochs": 1, "batch_size": 1, "patience": 1}
        for name, least in whole.items():
            if not isinstance(value := getattr(self, name), int) or value < least:
                raise UsageError(f"Recipe: {name} is a whole number of {least} or more, not {value!r}.")
        if not (self.rate > 0 and self.head_rate > 0 and self.weight_decay >= 0 and 0 <= self.label_smoothing < 1):
            raise UsageError("Recipe: rates are above 0, weight_decay is 0 or more, label_smoothing 0 to less than 1.")
