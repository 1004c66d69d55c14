"""Make the golden logits of SegFormer-B0 from the checkpoint itself, by torch and transformers.

    python tests/golden/make_golden.py CHECKPOINT

Uses nothing of edgert: transformers loads the weights, torch runs them, so the file is an
independent witness for the exported graph.
"""

import sys
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "segformer_b0_camvid.npz"
STEP = 2  # every second row and column of the logits, to stay small


def golden_input() -> np.ndarray:
    """A picture out of integer arithmetic, normalised as the checkpoint wants it.

    Slopes, stripes and a chequered corner, (1, 3, 360, 480): the same on every machine.
    """
    y, x = np.mgrid[0:360, 0:480]
    picture = np.stack(
        [
            (y * 255 // 359 + (x // 31) * 17) % 256,
            (x * 255 // 479 + (x * y // 977) * 5) % 256,
            np.where((y // 24 + x // 24) % 2 == 0, 40 + y // 3, 200 - x // 4) % 256,
        ]
    )
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    return ((picture / 255 - mean) / std)[None].astype(np.float32)


def main(checkpoint: str) -> None:
    """Write the golden file."""
    import torch
    from transformers import SegformerForSemanticSegmentation

    model = SegformerForSemanticSegmentation.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(golden_input())).logits.numpy()
    np.savez_compressed(GOLDEN, logits=logits[:, :, ::STEP, ::STEP])
    print(f"wrote {GOLDEN}: {GOLDEN.stat().st_size} bytes, largest {np.abs(logits).max():.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
