"""Random supernets, and a forward pass in NumPy that slices their tensors by itself."""

import numpy as np

from edgert.families.ofa_plan import supernet_plan
from edgert.families.ofa_space import Space

# Stages that may be down to one block, and widths that round. No stage is as wide as the stem may
# be: a network cut out by the published code would lose its first shortcut's convolution.
SMALL = Space(
    name="small-resnet",
    stage_widths=(72, 80, 96),
    base_depths=(1, 1, 2),
    depths=(0, 1, 2),
    expands=(0.3, 0.5),
    width_multipliers=(0.5, 0.75, 1.0),
    stem_width=32,
    strides=(1, 2, 2),
    image_sizes=(20, 24, 36),
    classes=5,
)
EPSILON = 1e-5


def random_weights(space, seed=0):
    """Tensors by their names in a checkpoint; statistics of BatchNormalization are random too."""
    random = np.random.default_rng(seed)
    weights = {}
    for key, shape in supernet_plan(space).tensor_shapes().items():
        array = random.standard_normal(shape)
        if len(shape) > 1:
            array *= (2 / np.prod(shape[1:])) ** 0.5
        elif key.endswith(("bn.weight", "running_var")):
            array = random.uniform(0.5, 1.5, shape)
        else:
            array *= 0.2
        weights[key] = array.astype(np.float32)
    return weights


def reference_logits(weights, space, subnet, pixels):
    """The subnet's answer, in float64, by the slicing rules as they are published."""
    network = _Sliced(weights)
    middle, end = space.stem_widths(*subnet.width[:2])
    x = network.active("input_stem.0", pixels.astype(np.float64), middle, stride=2)
    if subnet.depth[0] == max(space.depths):
        x = network.active("input_stem.1.conv", x, middle) + x
    x = _pool(network.active("input_stem.2", x, end))
    index = 0
    for stage, base in enumerate(space.base_depths):
        for position in range(base + max(space.depths)):
            if position < base + subnet.depth[1 + stage]:
                out = space.stage_width(stage, subnet.width[2 + stage])
                inside = space.inside_width(stage, subnet.expand[index], subnet.width[2 + stage])
                stride = space.strides[stage] if position == 0 else 1
                x = network.block(f"blocks.{index}", x, (inside, out), stride, position == 0)
            index += 1
    head = weights["classifier.linear.linear.weight"][:, : x.shape[1]]
    return x.mean((2, 3)) @ head.T + weights["classifier.linear.linear.bias"]


class _Sliced:
    def __init__(self, weights):
        self.weights = weights

    def active(self, key, x, out, stride=1):
        return np.maximum(self.norm(key, x, out, stride), 0)

    def norm(self, key, x, out, stride=1):
        x = _conv(x, self.weights[f"{key}.conv.conv.weight"][:out, : x.shape[1]], stride)
        scale, shift, mean, variance = (
            self.weights[f"{key}.bn.bn.{part}"][:out, None, None].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + EPSILON) * scale + shift

    def block(self, key, x, widths, stride, is_first):
        inside, out = widths
        y = self.active(f"{key}.conv1", x, inside)
        y = self.active(f"{key}.conv2", y, inside, stride)
        y = self.norm(f"{key}.conv3", y, out)
        if is_first:
            x = self.norm(f"{key}.downsample", _average(x, stride), out)
        return np.maximum(x + y, 0)


def _conv(x, weight, stride):
    pad = weight.shape[2] // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nihwkl,oikl->nohw", windows[:, :, ::stride, ::stride], weight, optimize=True)


def _pool(x):
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    return windows[:, :, ::2, ::2].max((4, 5))


def _average(x, size):
    rows, columns = (range(0, x.shape[axis], size) for axis in (2, 3))
    blocks = [[x[:, :, r : r + size, c : c + size].mean((2, 3)) for c in columns] for r in rows]
    return np.array(blocks).transpose(2, 3, 0, 1)
