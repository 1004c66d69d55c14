"""What the operator sets for a run: defaults < file < environment < flags.

The only place that reads the environment. A variable is the setting's path in capitals:
EDGERT_LIMITS_POWER_W=15 sets limits.power_w, EDGERT_CONTROLLER=ladder sets controller.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edgert.errors import SettingsError
from edgert.records import Limits, Positive, Record
from edgert.schema import record_from_object, record_from_yaml

_PREFIX = "EDGERT_"


class Settings(Record, frozen=True, kw_only=True):
    """Everything that can be set for a run; all of it has a default."""

    limits: Limits = Limits()
    controller: str = "ladder"
    backend: str = "onnxruntime"
    board: str = ""  # name of an emulated board; empty: no board, no power and heat
    threads: int | None = None  # of the engines; None: as many as there are cores
    latency_scale: Positive = (
        1.0  # emulated boards: how much slower the board is than this machine
    )


def load_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Put the settings together.

    Args:
        file: YAML with any of the settings; None reads none.
        environment: Variables to read; None takes the process's own.
        flags: Dotted paths to values, as {"limits.power_w": 15}; None values are not set.

    Raises:
        SettingsError: One line that names the source, the setting, what was expected and what
            stands there.
    """
    content: dict[str, Any] = {}
    if file is not None:
        record_from_yaml(file, Settings, SettingsError)  # says what is wrong, by file and place
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    variables = os.environ if environment is None else environment
    for path, variable in _variables().items():
        if variable in variables:
            _set(content, path, _parsed(variables[variable]))
            record_from_object(content, Settings, SettingsError, subject=f"settings {variable}")
    for path, value in (flags or {}).items():
        if value is not None:
            _set(content, path, value)
    return record_from_object(content, Settings, SettingsError, subject="settings")


def _variables() -> dict[str, str]:
    """Every setting's dotted path with its environment variable."""
    paths = [f.name for f in msgspec.structs.fields(Settings) if f.name != "limits"]
    paths += [f"limits.{f.name}" for f in msgspec.structs.fields(Limits)]
    return {path: _PREFIX + path.replace(".", "_").upper() for path in paths}


def _parsed(text: str) -> Any:
    """A number where the text is one, else the text: variables have no types of their own."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _set(content: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
    content[last] = value
