"""Record what the product does now, for tests/oracles.

python scripts/record_oracles.py             all but the bundles and their answers
python scripts/record_oracles.py --bundles   these, and the inputs: with version 0.1 only, whose bundles they are
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bundles", nargs="*", metavar="NAME", help="make inputs and bundles anew; or those named"
    )
    parser.add_argument(
        "--answers", action="store_true", help="record the answers of the bundles that are there"
    )
    chosen = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "scripts")]
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(WARMSTART_HOME=home, WARMSTART_OFFLINE="1", TF_CPP_MIN_LOG_LEVEL="3")
        if chosen.bundles is not None:
            import oracle_bundles

            oracle_bundles.make_data()
            oracle_bundles.make_bundles(chosen.bundles)
        if chosen.bundles is not None or chosen.answers:
            record_bundles()
        record(Path(home) / "files")


def record_bundles() -> None:
    from tests.oracles import observe
    from tests.oracles.cases import BUNDLES

    for name in BUNDLES:
        write(observe.bundle(name), "bundles", name)
    write(observe.merged(), "bundles", "merged")


def record(folder: Path) -> None:
    from tests.oracles import observe
    from tests.oracles.cases import CASES
    from tests.oracles.server import serving

    folder.mkdir()
    for name, case in CASES.items():
        (folder / name).mkdir()
        write(observe.results(case), "results", name)
        write(observe.batch(case, folder / name), "batch", name)
        write(observe.predict_command(case, folder / name), "predict", name)
    write(observe.commands(), "commands")
    write(observe.api(), "api")
    with serving(observe.serve_arguments()) as ask:
        found = observe.http(ask)
    for name, one in found.items():
        write(one, "http", name)


def write(value: Any, *path: str) -> None:
    from tests.oracles import observe

    target = observe.RECORDED.joinpath(*path).with_suffix(".json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(target.relative_to(ROOT), flush=True)


if __name__ == "__main__":
    main()
