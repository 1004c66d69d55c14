"""A colour for each label: the usual ones for road scenes, else colours far apart."""

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# CamVid's own colours, a little brighter where they would vanish on a picture.
_ROAD_SCENE = {
    "sky": (128, 190, 230), "building": (170, 70, 60), "pole": (225, 220, 150),
    "road": (128, 64, 128), "pavement": (70, 80, 225), "sidewalk": (70, 80, 225),
    "tree": (110, 150, 40), "vegetation": (110, 150, 40), "signsymbol": (240, 160, 110),
    "fence": (110, 110, 160), "car": (80, 20, 190), "pedestrian": (230, 190, 30),
    "person": (230, 190, 30), "bicyclist": (0, 190, 200),
}  # fmt: skip
_GOLDEN_RATIO = 0.618034  # steps of it around the hue circle stay far apart


def palette_from_labels(labels: Sequence[str]) -> NDArray[np.uint8]:
    """One RGB colour for each label, (len(labels), 3); the same for the same labels."""
    colors = []
    for index, label in enumerate(labels):
        known = _ROAD_SCENE.get(label.lower().replace(" ", "").replace("_", ""))
        hue = (0.07 + index * _GOLDEN_RATIO) % 1.0
        generated = colorsys.hsv_to_rgb(hue, 0.55 + 0.3 * (index % 2), 0.95 - 0.2 * (index % 3))
        colors.append(known or tuple(round(255 * part) for part in generated))
    return np.array(colors, np.uint8).reshape(-1, 3)
