"""Generation of texts for several requests together, as work of `steps`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warmstart.core.options import make
from warmstart.errors import InputError

if TYPE_CHECKING:
    from warmstart.core.inputs import Prepared
    from warmstart.core.joinable import JoinableModel, StepBatch
    from warmstart.serve.settings import Settings


@dataclass(frozen=True, eq=False)
class TextRequest:
    """The options of a request, as a key of the queue.

    Attributes:
        options: an instance of the model's options class.
        write: called with each piece of the text; None if it is not streamed.
    """

    options: Any
    write: Callable[[str], None] | None = None

    @classmethod
    def of(
        cls,
        model: JoinableModel[Any, Any, Any],
        options: Mapping[str, Any],
        write: Callable[[str], None] | None = None,
    ) -> TextRequest:
        """Parse the options of a request.

        Raises:
            UsageError: one is wrong.
        """
        checked = make(model.options, options, model.name)
        model.check_options(checked)
        return cls(checked, write)


class TextWork:
    """Prompts of a text generator, as a `StepWork`.

    Args:
        model: the text generator.
        settings: has the limits of inputs.
    """

    def __init__(self, model: JoinableModel[Any, Any, Any], settings: Settings):
        self._model, self._settings = model, settings

    def batch(self) -> StepBatch:
        return self._model.step_batch()

    def prepare(self, key: TextRequest, value: Any) -> Prepared:
        if isinstance(value, InputError):
            raise value
        input_kind = self._model.input_kind
        input_kind.check_size(value, self._settings)
        return self._model.prepare(input_kind.single(value), key.options)

    def result(self, key: TextRequest, prepared: Prepared, outputs: Any) -> Any:
        return self._model.decode(prepared, outputs, key.options)

    def write(self, key: TextRequest, piece: str) -> None:
        if key.write is not None:
            key.write(piece)
