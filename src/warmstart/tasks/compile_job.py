"""The process that compiles: reads a job as JSON from standard input, writes progress as JSON lines.

Lines: `{"stage": text}` while it works; last `{"record": …}` or `{"error": class, "message": text}`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from warmstart.catalog import Entry
from warmstart.errors import WarmstartError
from warmstart.tasks import task_class
from warmstart.tasks.building import Weights, build_keras


def main() -> int:
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes with the noise, not between our lines

    def say(**message: Any) -> None:
        print(json.dumps(message), file=lines, flush=True)

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    job = json.loads(sys.stdin.read())
    try:
        entry = Entry.from_dict(job["entry"])
        weights = Weights(Path(job["weights"]) if job["weights"] else None, job["digest"])
        say(stage="building the Keras model")
        model = build_keras(entry, weights)
        from warmstart.engines.compile import compile_program

        program = task_class(entry.task).program(entry, model)
        record = compile_program(program, Path(job["folder"]), job["precision"], lambda stage: say(stage=stage))
        say(record={**record, "model": entry.name, "weights": weights.digest})
    except WarmstartError as error:
        say(error=type(error).__name__, message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
