"""SegFormer-b0 at 512x512, random weights, one photo end to end, against transformers on PyTorch;
and memory.

    pip install -e '.[all]' -r benchmarks/requirements.txt
    python benchmarks/segmentation.py

Both decode the same JPEG, scale it, run the network and give a class for every pixel of the photo.
"""

import sys

from vision import main

if __name__ == "__main__":
    sys.exit(
        main(
            "segmentation",
            "SegFormer-b0, 512x512",
            "segformer_transformers",
            "of the pixels have the class that transformers gives them",
        )
    )
