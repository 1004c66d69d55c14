"""Checkpoints of small once-for-all networks on disk: supernets, and specialised networks."""

import json

import msgspec
import numpy as np
from safetensors.numpy import save_file

from tests.families.ofa_networks import SMALL, random_weights


def write_supernet(path, space=SMALL, weights=None):
    """A supernet that states its space."""
    metadata = {"space": msgspec.json.encode(space).decode()}
    save_file(weights or random_weights(space), path, metadata=metadata)
    return path


def _conv(into, out, stride=1):
    return {
        "name": "ConvLayer",
        "kernel_size": 3,
        "stride": stride,
        "dilation": 1,
        "groups": 1,
        "bias": False,
        "has_shuffle": False,
        "use_se": False,
        "in_channels": into,
        "out_channels": out,
        "use_bn": True,
        "act_func": "relu",
        "dropout_rate": 0,
        "ops_order": "weight_bn_act",
    }


def net_config(space, subnet):
    """net.config of a subnet that became a network of its own."""
    middle, end = space.stem_widths(*subnet.width[:2])
    stem = [_conv(3, middle, 2), _conv(middle, end)]
    if space.keeps_stem_residual(subnet):
        identity = {"name": "IdentityLayer", "in_channels": middle, "out_channels": middle}
        residual = {"name": "ResidualBlock", "conv": _conv(middle, middle), "shortcut": identity}
        stem.insert(1, residual)
    blocks, width = [], end
    for block in space.kept_blocks(subnet):
        blocks.append(
            {
                "name": "ResNetBottleneckBlock",
                "in_channels": width,
                "out_channels": block.outside,
                "kernel_size": 3,
                "stride": 1 if block.position else space.strides[block.stage],
                "expand_ratio": subnet.expand[block.index],
                "mid_channels": block.inside,
                "act_func": "relu",
                "groups": 1,
                "downsample_mode": "avgpool_conv",
            }
        )
        width = block.outside
    return {
        "name": "ResNets",
        "bn": {"momentum": 0.1, "eps": 1e-05, "ws_eps": None},
        "input_stem": stem,
        "blocks": blocks,
        "classifier": {
            "name": "LinearLayer",
            "in_features": width,
            "out_features": space.classes,
            "bias": True,
            "use_bn": False,
            "act_func": None,
            "dropout_rate": 0,
            "ops_order": "weight_bn_act",
        },
    }


def own_weights(space, subnet, weights):
    """A subnet's slices by the names that it has as a network of its own."""
    middle, end = space.stem_widths(*subnet.width[:2])
    layers = [("input_stem.0", "input_stem.0", 3, middle)]
    if space.keeps_stem_residual(subnet):
        layers.append(("input_stem.1.conv", "input_stem.1.conv", middle, middle))
    last = 2 if space.keeps_stem_residual(subnet) else 1
    layers.append((f"input_stem.{last}", "input_stem.2", middle, end))
    width = end
    for index, block in enumerate(space.kept_blocks(subnet)):
        mine, theirs = f"blocks.{index}", f"blocks.{block.index}"
        inside, out = block.inside, block.outside
        for part, into, written in (
            ("conv1", width, inside),
            ("conv2", inside, inside),
            ("conv3", inside, out),
            *([("downsample", width, out)] if block.position == 0 else []),
        ):
            layers.append((f"{mine}.{part}", f"{theirs}.{part}", into, written))
        width = out
    own = {}
    for mine, theirs, into, out in layers:
        own[f"{mine}.conv.weight"] = weights[f"{theirs}.conv.conv.weight"][:out, :into]
        for part in ("weight", "bias", "running_mean", "running_var"):
            own[f"{mine}.bn.{part}"] = weights[f"{theirs}.bn.bn.{part}"][:out]
        own[f"{mine}.bn.num_batches_tracked"] = np.array(1)
    own["classifier.linear.weight"] = weights["classifier.linear.linear.weight"][:, :width]
    own["classifier.linear.bias"] = weights["classifier.linear.linear.bias"]
    return {key: np.ascontiguousarray(array) for key, array in own.items()}


def write_specialised(folder, space, subnet, weights):
    """A folder as they are published, with weights that no torch is needed for."""
    folder.mkdir(parents=True)
    config = json.dumps(net_config(space, subnet))
    (folder / "net.config").write_text(config, encoding="utf-8")
    run = {"image_size": subnet.image_size, "n_epochs": 25}
    (folder / "run.config").write_text(json.dumps(run), encoding="utf-8")
    save_file(own_weights(space, subnet, weights), folder / "init.safetensors")
    return folder
