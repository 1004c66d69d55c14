"""Edits as family.yaml writes them, looked up by name and applied in order."""

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from edgert.errors import BuildError, SurgeryError
from edgert.records import Edit
from edgert.surgery.graph import Graph

# An edit's name in YAML is its function's name; its parameters are the keyword arguments.
EDITS = {
    "merge_linear": "edgert.surgery.merge_linear",
    "skip_residuals": "edgert.surgery.skip_residuals",
    "narrow_channels": "edgert.surgery.narrow_channels",
    "channels_first": "edgert.surgery.channels_first",
}


def derive(graph: Graph, edits: Sequence[Edit], *, subject: str) -> Graph:
    """Apply a list of edits.

    Args:
        graph: The base graph; unchanged.
        edits: Each a mapping with one key, the edit's name, and its parameters.
        subject: What is derived, for error lines: "derive c60".

    Raises:
        BuildError: No such edit, or parameters that it does not take.
        SurgeryError: The graph does not allow the edit.
    """
    for index, edit in enumerate(edits):
        [(name, parameters)] = edit.items()
        place = f"{subject} at edits[{index}]"
        function = _edit_function(name, place)
        checked = _checked(function, parameters or {}, f"{place}.{name}")
        try:
            graph = function(graph, **checked)
        except (
            SurgeryError
        ) as error:  # the edit knows the graph; where it was written is known here
            raise type(error)(
                f"{place}: {error.subject}",
                expected=error.expected,
                got=error.got,
                advice=error.advice,
            ) from error
    return graph


def _edit_function(name: str, place: str) -> Callable[..., Graph]:
    if name not in EDITS:
        raise BuildError(
            place,
            expected=f"an edit among {', '.join(EDITS)}",
            got=f"'{name}'",
            advice="Correct the name",
        )
    function: Callable[..., Graph] = getattr(importlib.import_module(EDITS[name]), name)
    return function


def _checked(
    function: Callable[..., Graph], parameters: Mapping[str, Any], place: str
) -> dict[str, Any]:
    """Parameters converted to the function's types; a name or type it does not take is refused."""
    signature = inspect.signature(function).parameters
    hints = typing.get_type_hints(function)
    known = {name: p for name, p in signature.items() if p.kind is p.KEYWORD_ONLY}
    missing = [n for n, p in known.items() if p.default is p.empty and n not in parameters]
    unknown = [name for name in parameters if name not in known]
    if missing or unknown:
        wrong = [f"no '{name}'" for name in missing] + [f"'{name}'" for name in unknown]
        raise BuildError(
            place,
            expected=f"parameters {', '.join(known)}" if known else "no parameters",
            got=" and ".join(wrong),
            advice="Correct the edit",
        )
    checked = {}
    for name, value in parameters.items():
        try:
            checked[name] = msgspec.convert(value, hints[name])
        except msgspec.ValidationError as error:
            raise BuildError(
                f"{place}.{name}",
                expected=str(error).removeprefix("Expected ").partition(",")[0].replace("`", ""),
                got=repr(value),
                advice="Correct the value",
            ) from error
    return checked
