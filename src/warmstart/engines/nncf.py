"""Calibrated int8 for OpenVINO, by NNCF (https://github.com/openvinotoolkit/nncf).

NNCF quantises per channel and corrects biases; for transformers it smooths outliers of activations
into the weights (Xiao et al., "SmoothQuant", 2023, arXiv:2211.10438). If the agreement with float32
is too low, it ranks the quantised operations by the agreement that they cost, and reverts them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.counts import counted
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
    from warmstart.engines.openvino_package import openvino

    os.environ.setdefault("NNCF_CI", "1")  # no telemetry
    import nncf

    signature, rule = exact.signatures[FORWARD], calibration.rule
    tensors = {spec.name: spec.tensor for spec in signature.inputs}
    rows = list(calibration.to_compare.batches())
    samples = [_by_tensor(row, tensors) for row in rows]
    index = {id(sample): number for number, sample in enumerate(samples)}
    expected = [rule.decide(row, reference.run(FORWARD, **row)) for row in rows]
    ranges = [_by_tensor(row, tensors) for row in calibration.to_calibrate.batches()]

    def agreement(compiled: Any, part: Iterable[Any]) -> float:
        actual, correct = [], []
        for sample in part:
            number, outputs = index[id(sample)], compiled(sample)
            named = {spec.name: outputs[compiled.output(spec.tensor)] for spec in signature.outputs}
            actual.append(rule.decide(rows[number], named))
            correct.append(expected[number])
        return rule.agreement(joined(actual), joined(correct))

    report(f"quantising for OpenVINO on {counted(len(ranges), 'input')}")
    per_token = any("tokens" in spec.shape for spec in signature.inputs)
    try:
        quantized = nncf.quantize_with_accuracy_control(
            float_network(exact.path),
            nncf.Dataset(ranges),
            nncf.Dataset(samples),
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


def _by_tensor(row: Mapping[str, np.ndarray], tensors: Mapping[str, str]) -> dict[str, np.ndarray]:
    return {tensors[name]: array for name, array in row.items()}


def float_network(path: Path) -> Any:
    """A program as a network of OpenVINO, in its fastest form and with weights that are float32
    constants, for NNCF.

    NNCF does not recognise weights that are stored in int8 and scaled when they are used: half of the
    convolutions of such a network would stay in float32, and no bias would be corrected.
    """
    from warmstart.engines.openvino_graph import rewrite
    from warmstart.engines.openvino_package import openvino

    network = rewrite(openvino.Core().read_model(str(path)))
    for node in network.get_ops():
        if node.get_type_name() == "Convert":
            stored = node.input_value(0).get_node()
            if stored.get_type_name() == "Constant":
                values = stored.data.astype(node.get_element_type().to_dtype())
                node.output(0).replace(openvino.op.Constant(values).output(0))
    manager = openvino.passes.Manager()
    manager.register_pass(openvino.passes.ConstantFolding())
    manager.run_passes(network)
    return network
