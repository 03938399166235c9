"""From a DeepAR to one for other series: everything that the base knows remains.

What is new (items, covariates, holidays) comes in with weights of zero, so that training begins
with the forecasts of the base.
"""

from __future__ import annotations

import keras
import numpy as np

from warmstart.models.series.deepar.family import DeepARConfig
from warmstart.series.features import Recipe


def transfer(
    source: keras.Model,
    before: DeepARConfig,
    old: Recipe,
    target: keras.Model,
    config: DeepARConfig,
    recipe: Recipe,
) -> None:
    """Copy what both networks know; rows of the first kernel for inputs that only the target has
    become zero.
    """
    first = source.get_layer("lstm_1").get_weights()[0]
    rows = dict(zip(_input_names(old, before), first, strict=True))
    zeros = np.zeros(first.shape[1], np.float32)
    kernel = np.stack([rows.get(name, zeros) for name in _input_names(recipe, config)])
    for number in range(1, config.layers + 1):
        layer = target.get_layer(f"lstm_{number}")
        weights = source.get_layer(layer.name).get_weights()
        layer.set_weights(weights if number > 1 else [kernel, *weights[1:]])
    for name in ("parameters", "shortcut")[: 1 + bool(config.shortcut)]:
        target.get_layer(name).set_weights(source.get_layer(name).get_weights())
    embeddings = source.get_layer("inputs").embeddings
    known = {
        name: (embedding, values)
        for embedding, (name, values) in zip(embeddings, old.categories.items(), strict=True)
    }
    targets = target.get_layer("inputs").embeddings
    for embedding, (name, values) in zip(targets, recipe.categories.items(), strict=True):
        if name not in known or known[name][0].output_dim != embedding.output_dim:
            continue
        table, learned = embedding.get_weights()[0], known[name][0].get_weights()[0]
        rows_of = {str(value): row for row, value in enumerate(known[name][1], 1)}
        table[0] = learned[0]
        for row, value in enumerate(values, 1):
            table[row] = learned[rows_of.get(str(value), 0)]  # a new item begins as an unknown one
        embedding.set_weights([table])


def _input_names(recipe: Recipe, config: DeepARConfig) -> list[str]:
    """A name for each row of the first kernel, in order."""
    names = [f"lag {lag}" for lag in config.lags]
    names += [*recipe.calendar_names, "age"]
    names += ["holiday"] if recipe.holidays else []
    names += [f"known {name}" for name in recipe.known] + ["log scale"]
    for name, count in zip(recipe.categories, config.cardinalities, strict=True):
        width = min(50, (count + 1) // 2)
        names += [f"category {name} of {width}: {column}" for column in range(width)]
    return names
