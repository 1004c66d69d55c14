"""Edits as family.yaml writes them, looked up by name and applied in order."""

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgert.artifacts import FamilyFolder
from edgert.build.family_graphs import FamilyGraphs
from edgert.build.statistics_origin import EDIT as STATISTICS_EDIT
from edgert.build.statistics_origin import check_origin
from edgert.errors import BuildError, CalibrationError, SurgeryError
from edgert.records import Configuration, Edit, InputSpec
from edgert.surgery.graph import Graph

# An edit's name in YAML is its function's name; its parameters are the keyword arguments.
EDITS = {
    "merge_linear": "edgert.surgery.merge_linear",
    "skip_residuals": "edgert.surgery.skip_residuals",
    "replace_residuals": "edgert.surgery.replace_residuals",
    "narrow_channels": "edgert.surgery.narrow_channels",
    "narrow_groups": "edgert.surgery.narrow_channels",
    "prune_tokens": "edgert.surgery.prune_tokens",
    "merge_keys": "edgert.surgery.merge_keys",
    "resize_input": "edgert.surgery.resize_input",
    "compensate": "edgert.calibration.edits",
    "recalibrate_batchnorm": "edgert.calibration.recalibration",
    "channels_first": "edgert.surgery.channels_first",
    "quantize": "edgert.calibration.precision_edits",
    "lower_precision": "edgert.calibration.precision_edits",
}
# These change no output beyond rounding: what comes of them is still the full model, and builds
# hold them to it.
LOSSLESS = frozenset({"merge_linear", "channels_first"})
_INJECTED = ("reference", "input_spec")  # parameters that are not written in YAML


def derive(
    graph: Graph,
    edits: Sequence[Edit],
    *,
    subject: str,
    folder: Path = Path(),
    input_spec: InputSpec | None = None,
) -> Graph:
    """Apply a list of edits.

    Args:
        graph: The base graph; unchanged.
        edits: Each a mapping with one key, the edit's name, and its parameters.
        subject: What is derived, for error lines: "derive c60".
        folder: What paths in the edits are relative to.
        input_spec: How pictures become the input; for edits that calibrate.

    Raises:
        BuildError: No such edit, or parameters that it does not take.
        SurgeryError: The graph does not allow the edit.
        CalibrationError: Calibration frames can't be used.
    """
    reference = graph
    for index, edit in enumerate(edits):
        [(name, parameters)] = edit.items()
        place = f"{subject} at edits[{index}]"
        function = _edit_function(name, place)
        checked = _checked(function, parameters or {}, f"{place}.{name}", folder)
        known = inspect.signature(function).parameters
        injected = {"reference": reference, "input_spec": input_spec}
        checked.update({key: value for key, value in injected.items() if key in known})
        try:
            graph = function(graph, **checked)
        except (SurgeryError, CalibrationError) as error:
            # the edit knows the graph; where it was written is known here
            raise type(error)(
                f"{place}: {error.subject}",
                expected=error.expected,
                got=error.got,
                advice=error.advice,
            ) from error
        if all(next(iter(done)) in LOSSLESS for done in edits[: index + 1]):
            reference = graph
    return graph


def derive_configuration(
    folder: FamilyFolder,
    configuration: Configuration,
    *,
    base: Graph | FamilyGraphs,
    subject: str,
) -> Graph:
    """Apply a family's edits as its folder and its input want them.

    Args:
        folder: The family; paths in its edits are relative to it.
        configuration: One of its configurations.
        base: The family's base graph, loaded; or its graphs, so that for many configurations
            each model is read once. Unchanged.
        subject: What is derived, for error lines.

    Raises:
        EdgertError: As `derive`, and as `FamilyGraphs.of`.
        PreconditionError: Statistics were measured of something else.
    """
    for index, edit in enumerate(configuration.edits):
        # Words first: with a typo in another edit, statistics would seem to be another model's.
        [(name, parameters)] = edit.items()
        place = f"{subject} at edits[{index}]"
        _checked(_edit_function(name, place), parameters or {}, f"{place}.{name}", folder.path)
        if name == STATISTICS_EDIT:
            before = configuration.edits[:index]
            files = files_of(before, folder.path)
            check_origin(folder, configuration, before, files, subject=subject)
    graphs = base if isinstance(base, FamilyGraphs) else FamilyGraphs(folder, base)
    return derive(
        graphs.of(configuration),
        configuration.edits,
        subject=subject,
        folder=folder.path,
        input_spec=folder.family.input,
    )


def files_of(edits: Sequence[Edit], folder: Path) -> list[Path]:
    """The files that edits read, where they lie; folders of frames are not among them."""
    found = []
    for edit in edits:
        [(name, parameters)] = edit.items()
        if name not in EDITS:
            continue
        hints = typing.get_type_hints(_edit_function(name, name))
        paths = [folder / v for k, v in (parameters or {}).items() if _is_path(hints.get(k))]
        found += [path for path in paths if path.is_file()]
    return found


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
    function: Callable[..., Graph], parameters: Mapping[str, Any], place: str, folder: Path
) -> dict[str, Any]:
    """Parameters converted to the function's types; a name or type it does not take is refused."""
    signature = inspect.signature(function).parameters
    hints = typing.get_type_hints(function)
    known = {
        name: p
        for name, p in signature.items()
        if p.kind is p.KEYWORD_ONLY and name not in _INJECTED
    }
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
            if _is_path(hints[name]):
                checked[name] = folder / msgspec.convert(value, str)
            else:
                checked[name] = msgspec.convert(value, hints[name])
        except msgspec.ValidationError as error:
            raise BuildError(
                f"{place}.{name}",
                expected=_expected(error, hints[name]),
                got=repr(value),
                advice="Correct the value",
            ) from error
    return checked


def _expected(error: msgspec.ValidationError, hint: Any) -> str:
    """What a parameter has to be, in words; msgspec's own where it says that."""
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    told = str(error)
    if told.startswith("Expected "):
        return told.removeprefix("Expected ").partition(",")[0].replace("`", "")
    return f"what the edit takes ({told[0].lower()}{told[1:].replace('`', '')})"


def _is_path(hint: Any) -> bool:
    return hint is Path or Path in typing.get_args(hint)
