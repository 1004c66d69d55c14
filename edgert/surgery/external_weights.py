"""Weights that lie in files beside the model: that they are there, whole, and not elsewhere.

A model that comes from someone else may name any file of this machine as its weights, and whoever
edits and hands on the model would hand on that file. So a location is a relative path that stays
inside the model's folder, symbolic links followed.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgert.errors import ArtifactError
from edgert.optional import needs


def check_external_weights(tensors: Iterable[Any], path: Path) -> None:
    """Say early, in one line, that a weights file is missing, too short or outside the folder.

    Args:
        tensors: Every onnx.TensorProto of the model.
        path: The .onnx file.

    Raises:
        ArtifactError: The line names the tensor and the file.
    """
    subject = f"read {path}"
    sizes: dict[str, int | None] = {}  # each file is looked at once, not once for each tensor
    for tensor in tensors:
        if not tensor.external_data:
            continue
        entry = {item.key: item.value for item in tensor.external_data}
        location = entry.get("location", "")
        if location not in sizes:
            sizes[location] = _size_of(location, path, f"{subject}: tensor {tensor.name}")
        place = (
            f"{subject}: weights {Path(location).name or repr(location)} of tensor {tensor.name}"
        )
        size_bytes, needed = sizes[location], _end_of(entry, tensor, place)
        if size_bytes is None or size_bytes < needed:
            raise ArtifactError(
                place,
                expected=f"a file of {needed} bytes or more beside the model",
                got="no such file" if size_bytes is None else f"{size_bytes} bytes",
                advice="Copy model and weights again, together",
            )


def bytes_of(tensor: Any, subject: str) -> int:
    """What a tensor's shape and type take.

    Raises:
        ArtifactError: A negative dimension, or a type that has no fixed size.
    """
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    try:
        bits = int(ir.DataType(tensor.data_type).bitwidth)
    except (ValueError, TypeError) as error:
        raise ArtifactError(
            f"{subject}, tensor {tensor.name}",
            expected="numbers",
            got=f"data type {tensor.data_type}",
            advice="Export the model again",
        ) from error
    if any(dim < 0 for dim in tensor.dims):
        raise ArtifactError(
            f"{subject}, tensor {tensor.name}",
            expected="sizes of 0 or more",
            got=str(tuple(tensor.dims)),
            advice="Export the model again; this file is damaged",
        )
    elements: int = math.prod(tensor.dims)
    return (elements * bits + 7) // 8


def _size_of(location: str, path: Path, subject: str) -> int | None:
    """The file's size, None without one; a location outside the model's folder is refused."""
    given, folder = Path(location), path.parent.resolve()
    where = (path.parent / given).resolve()
    reason = ""
    if given.is_absolute():
        reason = "an absolute path"
    elif ".." in given.parts:
        reason = "one that goes up"
    elif not where.is_relative_to(folder):
        reason = f"a link to {where}"
    if reason:
        raise ArtifactError(
            subject,
            expected="weights inside the model's folder",
            got=f"'{location}', {reason}",
            advice="Copy the weights beside the model, and save it with their plain name",
        )
    return where.stat().st_size if where.is_file() else None


def _end_of(entry: dict[str, str], tensor: Any, place: str) -> int:
    """Where in its file a tensor ends, in bytes."""
    needed = bytes_of(tensor, place)
    try:
        offset = int(entry.get("offset", 0))
        length = int(entry.get("length", needed))
    except ValueError:
        offset = length = -1
    if offset < 0 or length != needed:
        raise ArtifactError(
            place,
            expected=f"{needed} bytes from an offset of 0 or more",
            got=f"offset '{entry.get('offset', 0)}', length '{entry.get('length', needed)}'",
            advice="Export the model again; this file is damaged",
        )
    return offset + length
