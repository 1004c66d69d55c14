"""What the inspector says of an engine's layers: their kinds, units and types.

The inspector's JSON is not specified and changes between versions, so nothing here fails for a
key that is missing: what isn't said stays empty.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from edgert.backends.tensorrt.vendor import EDGE_KEYS

# "Format/Datatype" up to 10.x holds "Half" or a sentence, "Row major linear FP16 format".
_TYPE_KEYS = ("Format/Datatype", "DataType", "Datatype")
_TYPES = {
    "fp32": ("fp32", "float"),
    "fp16": ("fp16", "half"),
    "bf16": ("bf16", "bfloat"),
    "fp8": ("fp8",),
    "int8": ("int8",),
    "int32": ("int32",),
    "int64": ("int64",),
    "bool": ("bool",),
}


@dataclass(frozen=True)
class EngineLayer:
    """One layer of a built engine; several of the network's may be fused into it."""

    name: str
    kind: str  # "CaskConvolution", "kgen"; "" where only names are kept
    device: str  # "GPU" or "DLA"
    types: tuple[str, ...]  # of its inputs and outputs: ("fp16", "fp32")


@dataclass(frozen=True)
class EngineLayers:
    """All layers of an engine, in the order in which they run, and its edges' names."""

    layers: tuple[EngineLayer, ...]
    edges: tuple[str, ...]

    def count_by_device(self) -> dict[str, int]:
        """How many run on which unit: {"GPU": 41, "DLA": 12}."""
        return dict(Counter(one.device for one in self.layers))


def inspect_engine(vendor: Any, engine: Any, *, dla_layers: Collection[str] = ()) -> EngineLayers:
    """Ask the inspector of a deserialised engine.

    Args:
        vendor: The module tensorrt.
        engine: Its ICudaEngine, built with detailed profiling.
        dla_layers: What the builder said it placed on the DLA.
    """
    inspector = engine.create_engine_inspector()
    text = inspector.get_engine_information(vendor.LayerInformationFormat.JSON)
    return layers_from_json(text, dla_layers=dla_layers)


def layers_from_json(text: str, *, dla_layers: Collection[str] = ()) -> EngineLayers:
    """Read the inspector's JSON; no layers where it is none."""
    try:
        content = json.loads(text)
    except ValueError:
        content = {}
    if isinstance(content, list):
        content = {"Layers": content}
    if not isinstance(content, dict):
        content = {}
    layers = _entries(content.get("Layers"))
    edges: Any = next((content[key] for key in EDGE_KEYS if key in content), [])
    return EngineLayers(
        layers=tuple(_layer(entry, dla_layers) for entry in layers),
        edges=tuple(str(entry.get("Name", "")) for entry in _entries(edges)),
    )


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    """Each as a mapping; without detailed profiling there is but a name."""
    for entry in value if isinstance(value, list) else ():
        yield entry if isinstance(entry, dict) else {"Name": entry}


def _layer(entry: dict[str, Any], dla_layers: Collection[str]) -> EngineLayer:
    name, kind = str(entry.get("Name", "")), str(entry.get("LayerType", ""))
    on_dla = name in dla_layers or "dla" in kind.lower()
    tensors = [*_entries(entry.get("Inputs")), *_entries(entry.get("Outputs"))]
    found = {_type(tensor) for tensor in tensors} - {""}
    return EngineLayer(name, kind, "DLA" if on_dla else "GPU", tuple(sorted(found)))


def _type(tensor: dict[str, Any]) -> str:
    text = next((str(tensor[key]) for key in _TYPE_KEYS if key in tensor), "").lower()
    # "bfloat16" holds "float", and "fp16" of a sentence stands among other words.
    if any(word in text for word in _TYPES["bf16"]):
        return "bf16"
    return next((name for name, words in _TYPES.items() if any(w in text for w in words)), "")
