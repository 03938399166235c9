"""Fine-tuning of D-FINE on labelled boxes: every layer of the decoder learns from the boxes that
match its queries.

The recipe is that of the paper (arXiv:2410.13842, appendix A.1) for small data sets: gradients are
clipped to a small norm, and the backbone has a tenth of the learning rate. Denoising queries and
averaged weights, which shorten training from scratch, are not implemented.
"""

from __future__ import annotations

from typing import Any

import keras

from warmstart.checkpoints.naming import slots
from warmstart.core.compiling import build_keras
from warmstart.image.annotations.box_data import BoxData
from warmstart.image.train.dense import input_size, sized
from warmstart.image.train.detection import DetectionTrainer
from warmstart.image.train.dfine_loss import DFineLoss, DFineTargets, concatenate_stages
from warmstart.models.image.dfine.decoder import DECODER
from warmstart.models.image.dfine.network import build_training
from warmstart.training.freeze import Block, freeze_statistics

BACKBONE = "model.backbone."
CLASS_HEADS = (f"{DECODER}.class_embed.", "model.enc_score_head")
HEADS = ("class_embed", "lqe_layers")
"""Heads of the decoder's layers; those before the last layer are only used in training."""


class DFineTrainer(DetectionTrainer):
    """D-FINE with a class head for the classes of the data."""

    rate = 2e-4
    clip_norm = 0.1
    suppression = None
    jit_compile = False  # matching runs outside the compiled program
    training_network: keras.Model

    def network_config(self, data: BoxData) -> tuple[str, dict[str, Any]]:
        config = {**self.model.entry.to_dict()["config"], "classes": len(data.labels)}
        size = self.options.image_size or config["input_size"]
        config["input_size"] = sized(size, [photo.size for photo in data.photos])
        return "dfine", config

    def build(self) -> keras.Model:
        network, self.training_network = build_training(self.config)
        if self.model.weights.path is not None:
            self._fill(network)
            self._copy_heads()
        return network

    def _fill(self, network: keras.Model) -> None:
        """Copy the weights of the base; in class heads, those of classes with the same names."""
        base = build_keras(self.model.entry, self.model.weights)
        values = {slot.name: slot.variable.numpy() for slot in slots(base)}
        base_index = {label.name: label.index for label in self.model.labels}
        indices = [label.index for label in self.labels if label.name in base_index]
        base_indices = [base_index[self.labels[index].name] for index in indices]
        for slot in slots(network):
            value = values[slot.name]
            if slot.name.startswith(CLASS_HEADS):
                new = slot.variable.numpy().copy()
                new[..., indices] = value[..., base_indices]
                value = new
            slot.variable.assign(value)

    def _copy_heads(self) -> None:
        """Copy the heads of the last layer to those of the other layers."""
        layers = self.config["decoder_layers"]
        values = {slot.name: slot.variable for slot in slots(self.training_network)}
        for name, variable in values.items():
            for head in HEADS:
                last = f"{DECODER}.{head}.{layers - 1}"
                for layer in range(layers - 1):
                    start = f"{DECODER}.{head}.{layer}"
                    if name.startswith((f"{start}.", f"{start}/")):
                        variable.assign(values[last + name.removeprefix(start)].numpy())

    def blocks(self) -> list[Block]:
        layers = self.network.layers
        return [[layer] for layer in layers if layer.weights and layer.name.startswith(BACKBONE)]

    def freeze(self) -> None:
        super().freeze()
        if self.model.weights.path is not None:  # the encoder is pretrained, too
            freeze_statistics(self.training_network.layers)

    def learner(self) -> keras.Model:
        training = self.training_network
        return keras.Model(training.input, concatenate_stages(training.output), name="training")

    def loss(self) -> keras.losses.Loss:
        return DFineLoss(len(self.labels), self.config)

    def targets(self, data: BoxData) -> DFineTargets:
        photos = 4 if self.augmentation and self.augmentation.mosaic else 1
        max_boxes = max(1, *(len(photo.boxes) for photo in data.photos))
        queries: int = self.training_network.output[0]["logits"].shape[1]
        if max_boxes > queries:
            self.terminal.write_lines(
                f"warning: a photo has {max_boxes} boxes, but the network detects at most {queries}, one "
                "per query; cut such photos into parts"
            )
        return DFineTargets(input_size(self.config), min(max_boxes * photos, queries))

    def own_entry(self, module: str) -> dict[str, Any]:
        entry = self.model.entry
        return {"name": self.model.name, "family": entry.family, "title": entry.title}
