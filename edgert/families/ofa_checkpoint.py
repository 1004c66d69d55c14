"""Reading a once-for-all ResNet's checkpoint: every tensor from the file, checked key by key.

Owns .pth and .safetensors files with the tensors' names of supernets and of the networks that are
cut from them. Names and shapes are `ofa_plan`'s. OFA's own loader keeps what a file lacks at
random numbers and goes on; here that is an error.
"""

import pickle
from collections.abc import Mapping
from dataclasses import fields
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.errors import ArtifactError
from edgert.families.ofa_plan import Plan, Shape, supernet_plan
from edgert.families.ofa_space import Space
from edgert.optional import needs
from edgert.schema import record_from_object

Array = NDArray[Any]

SPACE_KEY = "space"  # of the metadata of a .safetensors file
_COUNTER = "num_batches_tracked"  # of every BatchNormalization; nothing reads it
_LEAST_MATCH = 0.5  # of the tensors; a file with fewer is not of this network at all
_PTH_TROUBLE = (OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError)


def read_supernet(path: Path, space: Space) -> dict[str, Array]:
    """The weights of a whole supernet.

    Args:
        path: A .safetensors file, or what torch saved: the tensors, or {"state_dict": tensors}.
            Loading runs no code from the file.
        space: What the supernet is trained for; `stated_space` reads it where a file says it.

    Returns:
        float32 arrays by the supernet's own names ("blocks.0.conv1.conv.conv.weight"). Names as
        those of networks cut from it ("blocks.0.conv1.conv.weight") are rewritten.

    Raises:
        ArtifactError: No such file, no checkpoint, one of another network, or a tensor is
            missing, unknown, of another shape or not of finite numbers; its name is told, with
            what was expected and found.
        MissingDependencyError: torch for .pth, or safetensors, is not installed.
    """
    return checked(read_tensors(path), supernet_plan(space), subject=f"read {path}")


def stated_space(path: Path) -> Space:
    """The space that a checkpoint says it is of; OFA-ResNet50's where it says nothing.

    Raises:
        ArtifactError: The file can't be read, or what it says is no space.
    """
    if path.suffix != ".safetensors":
        return Space()
    with _opened(path) as file:
        text = (file.metadata() or {}).get(SPACE_KEY)
    if text is None:
        return Space()
    subject = f"read {path} at {SPACE_KEY}"
    try:
        content = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ArtifactError(
            subject, expected="JSON", got=str(error), advice="Write the checkpoint again"
        ) from error
    return space_from(content, subject)


def space_from(content: Any, subject: str) -> Space:
    """A space from what JSON says.

    Args:
        content: A mapping of the fields of `Space`; what is left out has its default.
        subject: What was read, for error lines.

    Raises:
        ArtifactError: It is no space.
    """
    space = record_from_object(content, Space, ArtifactError, subject=subject)
    known = {field.name for field in fields(Space)}
    unknown = sorted(set(content) - known)
    stages = {len(space.stage_widths), len(space.base_depths), len(space.strides)}
    choices = (space.depths, space.expands, space.width_multipliers, space.image_sizes)
    if unknown or len(stages) > 1 or any(list(c) != sorted(set(c)) or not c for c in choices):
        raise ArtifactError(
            subject,
            expected="numbers for as many stages everywhere, and choices in rising order",
            got=f"an unknown '{unknown[0]}'" if unknown else "others",
            advice="Correct the space in the checkpoint",
        )
    return space


def read_tensors(path: Path) -> dict[str, Array]:
    """All tensors of a checkpoint by name, as arrays.

    Raises:
        ArtifactError: No such file, or no checkpoint.
    """
    if not path.is_file():
        raise ArtifactError(
            f"read {path}",
            expected="a checkpoint, .pth or .safetensors",
            got="a folder" if path.is_dir() else "no such file",
            advice="Correct the path",
        )
    if path.suffix == ".safetensors":
        with _opened(path) as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    return _read_pth(path)


def _opened(path: Path) -> Any:
    safetensors = needs("safetensors", "export", "to read weights")
    try:
        return safetensors.safe_open(path, framework="numpy")
    except (OSError, safetensors.SafetensorError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise ArtifactError(
            f"read {path}",
            expected="weights",
            got="no such file" if missing else str(error).splitlines()[0],
            advice="Copy the checkpoint again, whole",
        ) from error


def _read_pth(path: Path) -> dict[str, Array]:
    torch = needs("torch", "export", f"to read {path.name}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *_PTH_TROUBLE) as error:
        raise ArtifactError(
            f"read {path}",
            expected="a checkpoint that torch reads with weights_only=True",
            got=" ".join(f"{type(error).__name__}: {error}".split())[:160],
            advice="Copy the checkpoint again; one with more than tensors has to be saved anew",
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    is_tensors = isinstance(content, Mapping) and all(map(torch.is_tensor, content.values()))
    if not is_tensors or not content:
        raise ArtifactError(
            f"read {path}",
            expected="tensors by name, or {'state_dict': tensors by name}",
            got=f"{type(content).__name__} of something else",
            advice="Save the network's state_dict",
        )
    return {
        str(key): (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        for key, tensor in content.items()
    }


# ---------------------------------------------------------------- checking


def checked(found: Mapping[str, Array], plan: Plan, *, subject: str) -> dict[str, Array]:
    """The tensors of a network, each there, of its shape and finite, and no others.

    Args:
        found: Arrays by name.
        plan: The network that they should be of.
        subject: What was read, for error lines.

    Returns:
        float32 arrays by the names of `plan`.

    Raises:
        ArtifactError: As `read_supernet`.
    """
    wanted = plan.tensor_shapes()
    names = {key: _own_name(key, wanted) for key in found if not key.endswith(_COUNTER)}
    # A tensor that is there by both names stays a stranger by the shorter one.
    given = {key if own in found else own: found[key] for key, own in names.items()}
    _check_network(given, wanted, plan, subject)
    _check_keys(given, wanted, plan, subject)
    return {
        key: _float32(given[key], shape, f"{subject} at {key}") for key, shape in wanted.items()
    }


def _own_name(key: str, wanted: Mapping[str, Shape]) -> str:
    """A tensor's name with the supernet's extra level, where that is what is wanted."""
    for short, long in (
        (".linear.", ".linear.linear."),
        ("bn.", "bn.bn."),
        ("conv.", "conv.conv."),
    ):
        place = key.rfind(short)
        nested = f"{key[:place]}{long}{key[place + len(short) :]}"
        if key not in wanted and place >= 0 and nested in wanted:
            return nested
    return key


def _check_network(
    given: Mapping[str, Array], wanted: Mapping[str, Shape], plan: Plan, subject: str
) -> None:
    """Refuse a checkpoint of something else, before single tensors are spoken of."""
    fitting = sum(key in given and given[key].shape == shape for key, shape in wanted.items())
    if fitting >= _LEAST_MATCH * len(wanted):
        return
    other = next(
        (key for key in given if key not in wanted or given[key].shape != wanted[key]), ""
    )
    shown = f", such as {other} {given[other].shape}" if other else ""
    raise ArtifactError(
        subject,
        expected=f"a checkpoint of {plan.name}, with its {len(wanted)} tensors",
        got=f"one of another network: {fitting} of these among {len(given)}{shown}",
        advice=f"Name a checkpoint of {plan.name}, or one that states its own space",
    )


def _check_keys(
    given: Mapping[str, Array], wanted: Mapping[str, Shape], plan: Plan, subject: str
) -> None:
    missing = [key for key in wanted if key not in given]
    surplus = [key for key in given if key not in wanted]
    other = [key for key in wanted if key in given and given[key].shape != wanted[key]]
    if missing:
        key = missing[0]
        got, advice = "nothing of that name", "Copy the checkpoint again, whole"
        raise _wrong(f"{subject} at {key}", f"shape {wanted[key]}", got, missing, advice)
    if surplus:
        key = surplus[0]
        expected, advice = f"nothing: {plan.name} has no such tensor", "Save the network alone"
        got = f"shape {given[key].shape}"
        raise _wrong(f"{subject} at {key}", expected, got, surplus, advice)
    if other:
        key = other[0]
        expected, got = f"shape {wanted[key]}", f"shape {given[key].shape}"
        advice = f"Name a checkpoint of {plan.name}"
        raise _wrong(f"{subject} at {key}", expected, got, other, advice)


def _wrong(subject: str, expected: str, got: str, keys: list[str], advice: str) -> ArtifactError:
    more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
    return ArtifactError(subject, expected=expected, got=f"{got}{more}", advice=advice)


def _float32(array: Array, shape: Shape, subject: str) -> Array:
    numbers = np.ascontiguousarray(array, np.float32).reshape(shape)
    if array.dtype.kind != "f" or not np.isfinite(numbers).all():
        count = prod(shape) - int(np.isfinite(numbers).sum())
        raise ArtifactError(
            subject,
            expected="finite floating-point numbers",
            got=f"{count} that are not finite" if count else f"{array.dtype} numbers",
            advice="Copy the checkpoint again",
        )
    return numbers
