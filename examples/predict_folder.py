"""Classify every photo of a folder, write the results to a CSV file, and count the classes.

python examples/predict_folder.py examples/photos --output results.csv
python examples/predict_folder.py holiday/ --model mobilenet_v2 --min-score 0.5
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

import warmstart as ws


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder",
        help="a folder, searched with all folders in it, or a pattern such as 'photos/*.jpg'",
    )
    parser.add_argument(
        "--model",
        default="efficientnet_lite0",
        help="a name of `warmstart list`, or a bundle's folder",
    )
    parser.add_argument(
        "--weights",
        default="pretrained",
        help="a checkpoint to use instead of the published weights",
    )
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.0,
        help="count a class only from this probability, 0 to 1",
    )
    parser.add_argument("--output", type=Path, help="write input, label and score to this CSV file")
    arguments = parser.parse_args()

    model = ws.ImageClassifier.load(arguments.model, weights=arguments.weights)
    rows: list[tuple[str, str, str]] = []
    counts: Counter[str] = Counter()
    failures: list[ws.Failed] = []
    for result in model.stream(arguments.folder, top_k=1):  # an iterator, so memory stays flat
        if not result:
            failures.append(result)
            continue
        rows.append((result.input, result.label, f"{result.score:.4f}"))
        counts[result.label if result.score >= arguments.min_score else "(unsure)"] += 1

    for label, count in counts.most_common():
        print(f"{count:6}  {label}")
    for failure in failures:
        print(f"failed: {failure}")
    if arguments.output:
        with arguments.output.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("input", "label", "score"), *rows])
        print(f"{len(rows)} results in {arguments.output}")


if __name__ == "__main__":
    try:
        main()
    except ws.errors.WarmstartError as error:
        raise SystemExit(f"{error}") from None
