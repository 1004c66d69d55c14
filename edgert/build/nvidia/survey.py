"""The layers of a parsed network and their types, before the compiler fuses them.

No engine can be deserialised without a GPU, so this is all that can be had of types on a CPU. It
is enough: in a strongly typed network the compiler keeps to them.
"""

from collections.abc import Iterator
from typing import Any

# Kinds of layers that sum many values, or exponentials of them.
_SUMMING = ("NORMALIZATION", "REDUCE", "SOFTMAX", "CUMULATIVE")
_LOW = ("HALF", "BF16", "FP8", "INT8", "INT4", "FP4")
_PICKING = ("MAX", "MIN")  # reductions that do not sum


def layers_of(network: Any) -> Iterator[Any]:
    """Its layers, in order."""
    return (network.get_layer(index) for index in range(network.num_layers))


def layer_types(network: Any) -> dict[str, dict[str, int]]:
    """How many layers of each kind give which type; the commonest kinds first."""
    found: dict[str, dict[str, int]] = {}
    for layer in layers_of(network):
        types = found.setdefault(layer.type.name, {})
        kind = _type(layer)
        types[kind] = types.get(kind, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def low_precision_layers(vendor: Any, network: Any) -> dict[str, str]:
    """Layers that sum in less than 32 bits, with their kinds."""
    return {
        layer.name: layer.type.name
        for layer in layers_of(network)
        if layer.type.name in _SUMMING and _type(layer) in _LOW and not _picks(vendor, layer)
    }


def _picks(vendor: Any, layer: Any) -> bool:
    if layer.type.name != "REDUCE":
        return False
    # The network hands out every layer as the base class; NVIDIA's documentation says to set the
    # class to come by what a kind of layer has of its own.
    layer.__class__ = vendor.IReduceLayer
    return layer.op.name in _PICKING


def _type(layer: Any) -> str:
    return str(layer.get_output(0).dtype.name) if layer.num_outputs else "NONE"
