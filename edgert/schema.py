"""Text files into records, and what is wrong with a file into one clear line.

Owns the wording of "unknown field", "wrong type", "not YAML"; what the fields mean is left to the
records themselves.
"""

import re
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
    for name in re.findall(r"[^.\[\]\d]+", steps):
        kind = _field_type(kind, name)
        if kind is None:
            return ""
    names = getattr(kind, "__struct_fields__", None)
    return f"fields among {', '.join(names)}" if names else ""


def _field_type(kind: Any, name: str) -> Any:
    try:
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    except TypeError:
        return None
    return _record_inside(fields.get(name))


def _record_inside(kind: Any) -> Any:
    """The record type in `list[Record]`, `Record | None` or an annotated one of these."""
    if hasattr(kind, "__struct_fields__"):
        return kind
    for part in getattr(kind, "__args__", ()):
        inside = _record_inside(part)
        if inside is not None:
            return inside
    origin = getattr(kind, "__origin__", None)
    return _record_inside(origin) if origin is not None and origin is not list else None
