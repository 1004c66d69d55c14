"""Specialised once-for-all ResNets: networks cut from a supernet, each with weights of its own.

Owns their folders: net.config (the layers), run.config (the image size), init (the weights).
Tensors are read and checked by `ofa_checkpoint`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from edgert.errors import ArtifactError
from edgert.families.ofa_checkpoint import Array, checked, read_tensors
from edgert.families.ofa_graph import graph_of
from edgert.families.ofa_plan import (
    COLORS,
    Bottleneck,
    Plan,
    Shortcut,
    bottleneck,
    stem_layers,
    stem_residual,
)
from edgert.families.ofa_space import divisible
from edgert.schema import record_from_json
from edgert.surgery.graph import Graph

_WEIGHTS = ("init", "init.safetensors")
_SHORTCUTS: Mapping[str, Shortcut] = {"avgpool_conv": "pooled", "conv": "strided"}
_STEM_STRIDES = (2, 1, 1)
# What a layer may say of itself beside its sizes; anything else would be another network.
_PLAIN = {
    "dilation": 1,
    "groups": 1,
    "bias": False,
    "has_shuffle": False,
    "use_se": False,
    "use_bn": True,
    "act_func": "relu",
    "ops_order": "weight_bn_act",
}


@dataclass(frozen=True)
class Specialised:
    """A network with its weights, by the names of `plan`, and the image size it is made for."""

    name: str
    plan: Plan
    weights: dict[str, Array]
    image_size: int

    def graph(self) -> Graph:
        """It as a graph, with the names of parts that a supernet's has."""
        return graph_of(self.plan, self.weights, image_size=self.image_size)


def read_specialised(folder: Path) -> Specialised:
    """Read a specialised network.

    Args:
        folder: Holds net.config and run.config, both JSON, and init as torch saved it, or
            init.safetensors.

    Raises:
        ArtifactError: A file is missing or damaged, the network is no once-for-all ResNet, or a
            tensor is missing, unknown or of another shape.
        MissingDependencyError: torch for init, or safetensors, is not installed.
    """
    if not (folder / "net.config").is_file():
        raise ArtifactError(
            f"read {folder}",
            expected="a folder with net.config, run.config and init",
            got="no net.config" if folder.is_dir() else "no such folder",
            advice="Name the folder of one specialised network",
        )
    name = re.sub(r"[^A-Za-z0-9._-]", "_", folder.resolve().name).lstrip("._-")[:60] or "network"
    described = record_from_json(folder / "net.config", dict[str, Any], ArtifactError)
    plan = plan_from_config(described, name=name, subject=f"read {folder / 'net.config'}")
    run = record_from_json(folder / "run.config", dict[str, Any], ArtifactError)
    size = _whole(run, "image_size", f"read {folder / 'run.config'}")
    files = [folder / file for file in _WEIGHTS if (folder / file).is_file()]
    path = files[0] if files else folder / _WEIGHTS[0]
    return Specialised(name, plan, checked(read_tensors(path), plan, subject=f"read {path}"), size)


def plan_from_config(config: Mapping[str, Any], *, name: str, subject: str) -> Plan:
    """The layers that a net.config describes.

    Args:
        config: Its content.
        name: Of the network.
        subject: What was read, for error lines.

    Raises:
        ArtifactError: It is no once-for-all ResNet; the place in the file is named.
    """
    norm = _table(config.get("bn", {}), f"{subject} at bn")
    if norm.get("ws_eps") is not None:
        _refuse(f"{subject} at bn.ws_eps", "null", norm["ws_eps"])
    epsilon = norm.get("eps", 1e-5)
    if not isinstance(epsilon, float) or epsilon <= 0:
        _refuse(f"{subject} at bn.eps", "a number above 0", epsilon)
    middle, end, has_residual = _stem(config, subject)
    blocks = _blocks(config, end, subject)
    classifier = _table(config.get("classifier"), f"{subject} at classifier")
    features = _whole(classifier, "in_features", f"{subject} at classifier")
    if features != blocks[-1].layers[2].out:
        _refuse(f"{subject} at classifier.in_features", blocks[-1].layers[2].out, features)
    return Plan(
        name=name,
        stem=stem_layers(middle, end, last_key=f"input_stem.{2 if has_residual else 1}"),
        residual=stem_residual(middle) if has_residual else None,
        blocks=tuple(blocks),
        classes=_whole(classifier, "out_features", f"{subject} at classifier"),
        nested=False,
        epsilon=epsilon,
    )


def _stem(config: Mapping[str, Any], subject: str) -> tuple[int, int, bool]:
    """Channels inside and behind the stem, and whether it has its residual convolution."""
    place = f"{subject} at input_stem"
    layers = [_table(layer, place) for layer in _list(config.get("input_stem"), place)]
    kinds = [layer.get("name") for layer in layers]
    if kinds not in (["ConvLayer"] * 2, ["ConvLayer", "ResidualBlock", "ConvLayer"]):
        _refuse(place, "ConvLayer, maybe ResidualBlock, ConvLayer", ", ".join(map(str, kinds)))
    has_residual = len(layers) == 3
    if has_residual:
        shortcut = layers[1].get("shortcut")
        if _table(shortcut, f"{place}[1].shortcut").get("name") != "IdentityLayer":
            _refuse(f"{place}[1].shortcut", "IdentityLayer", shortcut)
        layers[1] = _table(layers[1].get("conv"), f"{place}[1].conv")
    width, widths = COLORS, []
    strides = _STEM_STRIDES if has_residual else _STEM_STRIDES[::2]
    for index, (layer, stride) in enumerate(zip(layers, strides, strict=True)):
        is_residual = has_residual and index == 1
        where = f"{place}[{index}]{'.conv' if is_residual else ''}"
        fixed = {**_PLAIN, "kernel_size": 3, "stride": stride, "in_channels": width}
        _check_fixed(layer, {**fixed, "out_channels": width} if is_residual else fixed, where)
        width = _whole(layer, "out_channels", where)
        widths.append(width)
    return widths[0], widths[-1], has_residual


def _blocks(config: Mapping[str, Any], width: int, subject: str) -> list[Bottleneck]:
    """All blocks; each one with a projection begins a stage."""
    place = f"{subject} at blocks"
    blocks: list[Bottleneck] = []
    stage, position = 0, -1
    for index, entry in enumerate(_list(config.get("blocks"), place)):
        where = f"{place}[{index}]"
        layer = _table(entry, where)
        plain = {key: _PLAIN[key] for key in ("act_func", "groups")}
        _check_fixed(
            layer, {**plain, "name": "ResNetBottleneckBlock", "in_channels": width}, where
        )
        outside, stride = (_whole(layer, key, where) for key in ("out_channels", "stride"))
        shortcut = _shortcut(layer, width, outside, stride, where)
        position += 1
        if shortcut != "identity" and blocks:
            stage, position = stage + 1, 0
        blocks.append(
            bottleneck(
                (stage, position),
                f"blocks.{index}",
                (width, _inside(layer, outside, where), outside),
                stride=stride,
                shortcut=shortcut,
                kernel=_whole(layer, "kernel_size", where),
            )
        )
        width = outside
    return blocks


def _shortcut(
    layer: Mapping[str, Any], into: int, outside: int, stride: int, where: str
) -> Shortcut:
    if stride == 1 and into == outside:
        return "identity"
    mode = layer.get("downsample_mode")
    if mode not in _SHORTCUTS:
        _refuse(f"{where}.downsample_mode", " or ".join(_SHORTCUTS), mode)
    return _SHORTCUTS[str(mode)]


def _inside(layer: Mapping[str, Any], outside: int, where: str) -> int:
    if layer.get("mid_channels") is not None:
        return divisible(_whole(layer, "mid_channels", where))
    ratio = layer.get("expand_ratio")
    if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or ratio <= 0:
        _refuse(f"{where}.expand_ratio", "a number above 0", ratio)
    return divisible(round(outside * ratio))


# ---------------------------------------------------------------- what stands in the file


def _check_fixed(layer: Mapping[str, Any], fixed: Mapping[str, Any], where: str) -> None:
    for key, value in fixed.items():
        if layer.get(key, value) != value:
            _refuse(f"{where}.{key}", value, layer[key])


def _whole(table: Mapping[str, Any], key: str, where: str) -> int:
    number = table.get(key)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        _refuse(f"{where}.{key}", "a whole number from 1", number)
    return number


def _table(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        _refuse(where, "an object", content)
    return dict(content)


def _list(content: Any, where: str) -> list[Any]:
    if not isinstance(content, list) or not content:
        _refuse(where, "a list of layers", content)
    return list(content)


def _refuse(subject: str, expected: object, got: object) -> NoReturn:
    shown = "nothing" if got is None else str(got)[:80]
    raise ArtifactError(
        subject,
        expected=f"{expected}",
        got=shown,
        advice="Name the folder of a once-for-all ResNet",
    )
