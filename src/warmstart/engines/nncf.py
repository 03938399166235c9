"""Calibrated int8 for OpenVINO, by NNCF (https://github.com/openvinotoolkit/nncf).

NNCF quantises per channel and corrects biases; for transformers it smooths outliers of activations
into the weights (Xiao et al., "SmoothQuant", 2023, arXiv:2211.10438). If the agreement with float32
is too low, it ranks the quantised operations by the agreement that they cost, and reverts them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from warmstart.engines.agreement import joined
from warmstart.engines.base import Engine
from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.engines.store import OPENVINO, Artifact
from warmstart.errors import EngineError

Report = Callable[[str], None]
REVERTED, RANKED = 20, 50
"""Maximum number of reverted operations, and number of inputs for ranking them: ranking an
operation takes a pass over these.
"""


def quantize(
    exact: Artifact,
    reference: Engine,
    folder: Path,
    calibration: Calibration,
    report: Report,
) -> None:
    """Write `program.xml` and `program.bin` into `folder`.

    Args:
        exact: the program in float32.
        reference: runs it.
        folder: of the new artifact.
        calibration: real inputs, and the requested agreement.
        report: called with a description of each step.

    Raises:
        EngineError: NNCF or OpenVINO cannot represent the program.
    """
    os.environ.setdefault("NNCF_CI", "1")  # no telemetry
    import nncf
    import openvino

    signature, rule = exact.signatures[FORWARD], calibration.rule
    tensors = {spec.name: spec.tensor for spec in signature.inputs}
    rows = list(calibration.batches())
    samples = [{tensors[name]: array for name, array in row.items()} for row in rows]
    index = {id(sample): number for number, sample in enumerate(samples)}
    expected = [rule.decide(row, reference.run(FORWARD, **row)) for row in rows]

    def agreement(compiled: Any, part: Iterable[Any]) -> float:
        actual, correct = [], []
        for sample in part:
            number, outputs = index[id(sample)], compiled(sample)
            named = {spec.name: outputs[compiled.output(spec.tensor)] for spec in signature.outputs}
            actual.append(rule.decide(rows[number], named))
            correct.append(expected[number])
        return rule.agreement(joined(actual), joined(correct))

    report(f"quantising for OpenVINO on {len(calibration)} inputs")
    per_token = any("tokens" in spec.shape for spec in signature.inputs)
    try:
        data = nncf.Dataset(samples)
        quantized = nncf.quantize_with_accuracy_control(
            openvino.Core().read_model(str(exact.path)),
            data,
            data,
            agreement,
            max_drop=1 - calibration.threshold,
            model_type=nncf.ModelType.TRANSFORMER if per_token else None,
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                max_num_iterations=REVERTED, ranking_subset_size=RANKED
            ),
        )
        openvino.save_model(quantized, str(folder / OPENVINO[0]), compress_to_fp16=False)
    except Exception as error:  # NNCF raises whatever its passes raise
        raise EngineError(f"NNCF could not quantise the program: {error}") from error
