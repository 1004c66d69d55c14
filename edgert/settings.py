"""What the operator sets for a run: defaults < file < environment < flags.

The only place that reads the environment. A variable is the setting's path in capitals:
EDGERT_LIMITS_POWER_W=15 sets limits.power_w, EDGERT_CONTROLLER=ladder sets controller. Paths in a
settings file are relative to that file, others to where edgert is started.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import yaml

from edgert.errors import SettingsError
from edgert.records import Limits, Name, NotNegativeInt, Positive, PositiveInt, Ratio, Record
from edgert.schema import record_from_object, record_from_yaml

_PREFIX = "EDGERT_"
_PATHS = (  # of files and folders, besides those that need a closer look
    "state_file", "profile", "thermal", "daemon.socket", "daemon.token_file", "daemon.state_dir",
    "mqtt.password_file", "mqtt.ca_file",
)  # fmt: skip


class TensorRtSettings(Record, frozen=True, kw_only=True):
    """What the backend tensorrt builds and runs with."""

    binding: Literal["", "cuda-python", "pycuda"] = ""  # to CUDA; "": what is installed
    dla_core: NotNegativeInt | None = None  # the deep learning accelerator; None: GPU alone
    workspace_bytes: PositiveInt | None = None  # of a build; None: what the board's file says
    optimisation_level: Annotated[int, msgspec.Meta(ge=0, le=5)] = 3


class EngineSettings(Record, frozen=True, kw_only=True):
    """Which engines are loaded, and how much they may take."""

    trusted_keys: tuple[str, ...] = ()  # public keys; where there are any, one has to have signed
    memory_bytes: PositiveInt | None = None  # for all engines together; None: what is free


class TelemetrySettings(Record, frozen=True, kw_only=True):
    """Where power and heat are read."""

    source: str = ""  # "sysfs", "jtop", …; "": the first that there is
    interval_s: Positive = 0.1  # how often a thread reads the sensors


class StreamSettings(Record, frozen=True, kw_only=True):
    """One stream of a daemon."""

    name: Name
    source: str  # a path or URI, as `edgert run` takes it
    policy: Literal["auto", "all", "latest"] = "auto"  # which frames are served
    decoder: Literal["", "pyav", "gstreamer"] = ""  # "": hardware where there is some, else pyav
    loops: PositiveInt = 1  # how often a file is played
    sinks: tuple[str, ...] = ()  # FILE.mp4, FILE.jsonl, http://HOST:PORT/, rtsp://HOST:PORT/PATH
    overlay: bool = True  # draw results and strip into the pictures
    results_bytes: PositiveInt = 10_000_000  # of a FILE.jsonl, before FILE.2.jsonl begins
    results_files: PositiveInt = 5  # kept, the newest included
    video_part_s: Positive = 600.0  # of a FILE.mp4, before FILE.2.mp4 begins
    video_parts: PositiveInt = 6  # kept, the one that grows included


class ShadowSettings(Record, frozen=True, kw_only=True):
    """Runs of the full configuration on frames that another one has served."""

    share: Ratio = 0.0  # of the frames, at most; 0: none
    decides: bool = False  # the controller takes the agreement in place of the stored accuracy


class DaemonSettings(Record, frozen=True, kw_only=True):
    """How `edgert serve` is reached, and what it keeps."""

    socket: str = ""  # Unix socket; "": edgert.sock in the runtime folder
    tcp: str = ""  # HOST:PORT as well; anything but loopback needs a token
    token_file: str = ""  # its first line is the token; "": none
    state_dir: str = ""  # "": the state folder
    log_bytes: PositiveInt = 10_000_000  # of the decision log, before it is rotated
    log_files: PositiveInt = 5  # kept, the newest included
    upload_bytes: PositiveInt = 20_000_000  # of a picture sent in


class MqttSettings(Record, frozen=True, kw_only=True):
    """A broker that figures and events go to, and limits come from."""

    host: str = ""  # "": none
    port: PositiveInt = 1883
    device: str = ""  # in topics: edgert/DEVICE/…; "": the machine's name
    username: str = ""
    password_file: str = ""
    ca_file: str = ""  # TLS where set
    every_s: Positive = 10.0  # between two of edgert/DEVICE/stats
    commands: bool = False  # whether limits may be set through the broker


class SystemdVariables(NamedTuple):
    """What a service manager tells what it starts; see sd_notify(3) and systemd.exec(5)."""

    notify_socket: str = ""
    watchdog_usec: int | None = None
    watchdog_pid: int | None = None  # whose watchdog it is; None: whoever reads it
    runtime_directory: str = ""  # of this service, under /run
    state_directory: str = ""  # under /var/lib
    user_runtime_directory: str = ""  # of the user who is logged in
    user_state_directory: str = ""


class Settings(Record, frozen=True, kw_only=True):
    """Everything that can be set for a run; all of it has a default."""

    limits: Limits = Limits()
    controller: str = "predictive"
    backend: str = "onnxruntime"
    board: str = ""  # name of an emulated board; empty: no board, no power and heat
    threads: int | None = None  # of the engines; None: as many as there are cores
    latency_scale: Positive = (
        1.0  # emulated boards: how much slower the board is than this machine
    )
    state_file: str = ""  # where what the controller learns is kept; empty: nowhere
    state_every_s: Positive = 30.0  # how often it is written while a run goes on
    telemetry: TelemetrySettings = TelemetrySettings()
    tensorrt: TensorRtSettings = TensorRtSettings()
    engines: EngineSettings = EngineSettings()
    family: str = ""  # served by a daemon: a folder, or a name under engines/
    profile: str = ""  # its profile; empty: where `edgert profile` puts it
    thermal: str = ""  # how the board heats; empty: what `edgert calibrate` left
    streams: tuple[StreamSettings, ...] = ()
    shadow: ShadowSettings = ShadowSettings()
    daemon: DaemonSettings = DaemonSettings()
    mqtt: MqttSettings = MqttSettings()


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
    content = _from_file(file) if file is not None else {}
    variables = os.environ if environment is None else environment
    for path, kind in settings_paths().items():
        variable = _PREFIX + path.replace(".", "_").upper()
        if variable in variables:
            _set(content, path, _parsed(variables[variable], kind))
            record_from_object(content, Settings, SettingsError, subject=f"settings {variable}")
    for path, value in (flags or {}).items():
        if value is not None:
            _set(content, path, value)
    return record_from_object(content, Settings, SettingsError, subject="settings")


def systemd_variables(environment: Mapping[str, str] | None = None) -> SystemdVariables:
    """What the service manager, or the session of a user, says of sockets and folders.

    Args:
        environment: Variables to read; None takes the process's own.
    """
    variables = os.environ if environment is None else environment
    return SystemdVariables(
        notify_socket=variables.get("NOTIFY_SOCKET", ""),
        watchdog_usec=_whole(variables.get("WATCHDOG_USEC", "")),
        watchdog_pid=_whole(variables.get("WATCHDOG_PID", "")),
        # of several, the first is the one that the unit names first
        runtime_directory=variables.get("RUNTIME_DIRECTORY", "").partition(":")[0],
        state_directory=variables.get("STATE_DIRECTORY", "").partition(":")[0],
        user_runtime_directory=variables.get("XDG_RUNTIME_DIR", ""),
        user_state_directory=variables.get("XDG_STATE_HOME", ""),
    )


def settings_paths(kind: type[Record] = Settings, prefix: str = "") -> dict[str, Any]:
    """Every setting's dotted path with its type, records within records resolved."""
    paths: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Record):
            paths.update(settings_paths(field.type, f"{prefix}{field.name}."))
        else:
            paths[prefix + field.name] = field.type
    return paths


def _from_file(file: Path) -> dict[str, Any]:
    settings = record_from_yaml(file, Settings, SettingsError)  # says what is wrong, and where
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    _set_paths(content, settings, file.parent)
    return content


def _set_paths(content: dict[str, Any], settings: Settings, folder: Path) -> None:
    """Paths that are written in a file are relative to the folder that it lies in."""
    for path in _PATHS:
        value = settings
        for name in path.split("."):
            value = getattr(value, name)
        if value:
            _set(content, path, str(folder / str(value)))
    if settings.engines.trusted_keys:
        keys = [str(folder / key) for key in settings.engines.trusted_keys]
        _set(content, "engines.trusted_keys", keys)
    if settings.family:
        content["family"] = _family_path(settings.family, folder)
    if settings.board.endswith((".yaml", ".yml")):
        content["board"] = str(folder / settings.board)
    for written, stream in zip(content.get("streams") or (), settings.streams, strict=True):
        written["source"] = _video_path(stream.source, folder)
        if stream.sinks:
            written["sinks"] = [_video_path(sink, folder) for sink in stream.sinks]


def _family_path(name: str, folder: Path) -> str:
    """The family of that path or name beside the file; else it stays what it is."""
    for found in (folder / name, folder / "engines" / name):
        if found.exists():
            return str(found)
    return str(folder / name) if "/" in name else name


def _video_path(address: str, folder: Path) -> str:
    """A file is relative to the folder; an address of anything else, or none, stays."""
    return address if "://" in address or address == "none" else str(folder / address)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _parsed(text: str, kind: Any) -> Any:
    """A number where the text is one, else the text: variables have no types of their own."""
    if not text.strip():
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return [value] if kind == tuple[str, ...] and isinstance(value, str) else value


def _set(content: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
    content[last] = value
