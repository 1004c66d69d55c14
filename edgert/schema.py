"""Text files into records, and what is wrong with a file into one clear line.

Owns the wording of "unknown field", "wrong type", "not YAML"; what the fields mean is left to the
records themselves.
"""

import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
import yaml

from edgert.errors import EdgertError

Record = TypeVar("Record")

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_EXPECTED_GOT = re.compile(r"Expected (?P<expected>.*?), got (?P<got>[^-]*?)(?: - at |$)")
_EXPECTED = re.compile(r"Expected (?P<expected>.*?)(?: - at |$)")
_PATH = re.compile(r" - at `(?P<path>[^`]*)`")


def record_from_yaml(path: Path, kind: type[Record], error: type[EdgertError]) -> Record:
    """Read a YAML file into a record.

    Raises:
        error: The file is missing, is no YAML, or does not fit the record; the line names the
            file, the place in it, what was expected and what stands there.
    """
    text = _read_text(path, error)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise error(
            f"read {path}{where}",
            expected="YAML",
            got=str(getattr(cause, "problem", None) or cause).splitlines()[0],
            advice="Correct the line",
        ) from cause
    return record_from_object(content, kind, error, subject=f"read {path}")


def record_from_json(path: Path, kind: type[Record], error: type[EdgertError]) -> Record:
    """Read a JSON file into a record; errors as in `record_from_yaml`."""
    text = _read_text(path, error)
    try:
        content = msgspec.json.decode(text)
    except msgspec.DecodeError as cause:
        raise error(
            f"read {path}", expected="JSON", got=str(cause), advice="Write the file anew"
        ) from cause
    return record_from_object(content, kind, error, subject=f"read {path}")


def record_from_object(
    content: Any, kind: type[Record], error: type[EdgertError], *, subject: str
) -> Record:
    """Convert plain lists, dicts and numbers into a record; errors as in `record_from_yaml`."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as cause:
        _explain(cause, content, kind, error, subject)


def _read_text(path: Path, error: type[EdgertError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        got = getattr(cause, "strerror", None) or "bytes that are not UTF-8 text"
        raise error(
            f"read {path}", expected="a readable text file", got=got.lower(), advice="Check it"
        ) from cause


def _explain(
    cause: msgspec.ValidationError,
    content: Any,
    kind: type[Any],
    error: type[EdgertError],
    subject: str,
) -> NoReturn:
    message = str(cause)
    place = _PATH.search(message)
    steps = place["path"].removeprefix("$").removeprefix(".") if place else ""
    where = f"{subject} at {steps}" if steps else subject
    if found := _UNKNOWN_FIELD.search(message):
        raise error(
            where,
            expected=_fields_at(kind, steps) or "known fields only",
            got=f"unknown field '{found['field']}'",
            advice="Correct or remove it",
        ) from cause
    if found := _MISSING_FIELD.search(message):
        raise error(
            where,
            expected=f"the field '{found['field']}'",
            got="none",
            advice=f"Add {found['field']}",
        ) from cause
    value = _value_at(content, steps)
    if "Invalid enum value" in message:
        raise error(
            where, expected=_choices_at(kind, steps), got=repr(value), advice="Correct the value"
        ) from cause
    expected = _EXPECTED_GOT.search(message) or _EXPECTED.search(message)
    raise error(
        where,
        expected=expected["expected"].replace("`", "") if expected else message,
        got=repr(value),
        advice="Correct the value",
    ) from cause


def _value_at(content: Any, steps: str) -> Any:
    for step in re.findall(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)", steps):
        key = step[0] or step[1]
        try:
            content = content[int(key)] if step[0].isdigit() else content[key]
        except (KeyError, IndexError, TypeError):
            break
    return content


def _fields_at(kind: Any, steps: str) -> str:
    """The field names that a record knows, where the path leads to one through plain fields."""
    names = getattr(_inside(_type_at(kind, steps), _is_record), "__struct_fields__", None)
    return f"fields among {', '.join(names)}" if names else ""


def _choices_at(kind: Any, steps: str) -> str:
    """The values of a Literal, where the path leads to one."""
    literal = _inside(_type_at(kind, steps), _is_literal)
    values = typing.get_args(literal)
    return " or ".join(repr(value) for value in values) if values else "one of the known values"


def _type_at(kind: Any, steps: str) -> Any:
    for name in re.findall(r"[^.\[\]\d]+", steps):
        record = _inside(kind, _is_record)
        if record is None:
            return None
        kind = {f.encode_name: f.type for f in msgspec.structs.fields(record)}.get(name)
    return kind


def _is_record(kind: Any) -> bool:
    return hasattr(kind, "__struct_fields__")


def _is_literal(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal


def _inside(kind: Any, wanted: Callable[[Any], bool]) -> Any:
    """The wanted type in `list[Type]`, `Type | None` or an annotated one of these, or None."""
    if kind is None or wanted(kind):
        return kind
    parts = [*getattr(kind, "__args__", ()), getattr(kind, "__origin__", None)]
    found = (_inside(p, wanted) for p in parts if p is not None and p is not list)
    return next((part for part in found if part is not None), None)
