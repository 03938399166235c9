"""Find the photos of a folder that look most like one photo, by the cosine of their features.

    python examples/features_search.py query.jpg photos/ --model mobilenet_v2 --top 5

With --index, the features of a folder are stored in an .npz file and used again the next time.
"""

import argparse
from pathlib import Path

import numpy as np

import warmstart as ws

SUFFIXES = (".jpg", ".jpeg", ".png")


def folder_features(model: ws.ImageClassifier, folder: str) -> tuple[np.ndarray, np.ndarray]:
    """(paths, unit features (N, D)) of the readable photos of a folder."""
    photos = sorted(
        str(path) for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES
    )
    paths, vectors = [], []
    for path in photos:
        try:
            vectors.append(model.features(path))
        except ws.errors.InputError as error:
            print(f"skipped: {error}")
        else:
            paths.append(path)
    if not paths:
        raise SystemExit(f"There are no photos in {folder}.")
    return np.array(paths), unit(np.stack(vectors))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (…, D) scaled to length 1."""
    scaled: np.ndarray = vectors / np.maximum(
        np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12
    )
    return scaled


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("query", help="the photo to look for")
    parser.add_argument("folder", help="where to look")
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
    parser.add_argument("--top", type=int, default=5, help="how many photos to show")
    parser.add_argument("--index", type=Path, help="an .npz file for the features of the folder")
    arguments = parser.parse_args()

    model = ws.ImageClassifier.load(arguments.model, weights=arguments.weights)
    if arguments.index and arguments.index.exists():
        with np.load(arguments.index, allow_pickle=False) as stored:
            paths, vectors = stored["paths"], stored["vectors"]
    else:
        paths, vectors = folder_features(model, arguments.folder)
        if arguments.index:
            np.savez(arguments.index, paths=paths, vectors=vectors)

    query = unit(model.features(arguments.query))
    if query.shape[-1] != vectors.shape[-1]:
        raise SystemExit(f"{arguments.index} was made with another model; remove it.")
    similarity = vectors @ query  # cosine, -1 to 1
    for best in np.argsort(-similarity)[: arguments.top]:
        print(f"{similarity[best]:.3f}  {paths[best]}")


if __name__ == "__main__":
    try:
        main()
    except ws.errors.WarmstartError as error:
        raise SystemExit(f"{error}") from None
