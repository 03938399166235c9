"""`ws.wrap`: turns a user's Keras model into a model of a task, compiled and verified against the
original.

`opened_model` opens the user's model, and `wrapper` makes a bundle from it; a task's `Wrapper`
defines the meaning of its inputs and outputs. Importing this package imports neither TensorFlow nor
Keras.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.core.options import make
from warmstart.core.output_files import check_new_folder
from warmstart.core.task import wrapper_class
from warmstart.errors import documented_in, require

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.training.types import KerasSource


@documented_in("wrap.md")
def wrap(model: KerasSource, *, task: str, **options: Any) -> Model[Any, Any, Any]:
    """Turn your own Keras, ONNX or TensorFlow Lite model into a model of a task.

    The model is compiled, verified against the original, and written as a bundle of weights, labels
    and processing, without code. The result works like any other model: it takes real inputs, and
    can be saved, exported, evaluated, served, and run over many files.

    Args:
        model: a functional or Sequential `keras.Model`; or the path of a `.keras`, `.h5`, `.onnx`
            or `.tflite` file, or of a SavedModel folder.
        task: such as "image-classification"; "tensors" for named arrays in and out.
        **options: those of the task; all tasks share `name`, `output` and `licence`.

    Returns:
        A model of the class of the task, loaded from the bundle.

    Raises:
        UsageError: an option is wrong or missing, or the model does not fit the task.
        CompileError: its operations cannot be compiled, or the program differs from the model.
        MissingPackageError: TensorFlow is not installed.

    Example:
        >>> network = keras.Sequential([keras.Input((2,), name="point"), keras.layers.Dense(1)])
        >>> model = ws.wrap(network, task="tensors", output="line-model")
        >>> list(model({"point": [1.0, 2.0]}).keys())
        ['output']
        >>> model.keras.count_params()
        3
        >>> model.save("line-copy"), model.export("line.tflite")
        (PosixPath('line-copy'), PosixPath('line.tflite'))
    """
    wrapper = wrapper_class(task)
    checked = make(wrapper.options_class, options, f"Wrapping for {task}")
    if checked.output is not None:
        check_new_folder(Path(checked.output).expanduser())
    require("tensorflow", extra="tensorflow", purpose="to wrap a Keras model")
    from warmstart.engines.noise import quiet_import

    with quiet_import():
        from warmstart.training.wrap.opened_model import open_model
    return wrapper(open_model(model), checked).wrap()
