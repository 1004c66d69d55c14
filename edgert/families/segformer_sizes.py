"""The published sizes of SegFormer, B0 to B5, and which one a model or a hub's name is of.

Owns numbers only. Weights are `segformer_checkpoint`'s, what is done to a size `segformer`'s.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SIZE_IN_NAME = re.compile(r"segformer-(b[0-9]+)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Size:
    """What makes one SegFormer larger than another.

    Attributes:
        depths: Blocks of each stage.
        embed_dims: Channels of each stage.
        decoder_dim: Channels of the decode head.

    Source:
        Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
        Transformers", NeurIPS 2021, arXiv 2105.15203; NVlabs/SegFormer, mix_transformer; as
        published.
    """

    depths: tuple[int, ...]
    embed_dims: tuple[int, ...]
    decoder_dim: int


_EMBED_DIMS = (64, 128, 320, 512)
SIZES = {
    "b0": Size((2, 2, 2, 2), (32, 64, 160, 256), 256),
    "b1": Size((2, 2, 2, 2), _EMBED_DIMS, 256),
    "b2": Size((3, 4, 6, 3), _EMBED_DIMS, 768),
    "b3": Size((3, 4, 18, 3), _EMBED_DIMS, 768),
    "b4": Size((3, 8, 27, 3), _EMBED_DIMS, 768),
    "b5": Size((3, 6, 40, 3), _EMBED_DIMS, 768),
}


def size_in_name(source: str) -> str:
    """The size that a hub's name speaks of, "b2"; empty where it names none of `SIZES`."""
    found = _SIZE_IN_NAME.search(source)
    name = found[1].lower() if found else ""
    return name if name in SIZES else ""


def size_of(depths: Sequence[int], embed_dims: Sequence[int], decoder_dim: int) -> str:
    """The name of the size that has these numbers, "b2"; empty where none has."""
    wanted = Size(tuple(depths), tuple(embed_dims), decoder_dim)
    return next((name for name, size in SIZES.items() if size == wanted), "")
