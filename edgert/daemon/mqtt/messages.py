"""What is written into a message, and what is read out of one. JSON throughout."""

from typing import Any

import msgspec

from edgert.daemon.base import Service
from edgert.errors import EdgertError, SettingsError
from edgert.records import Event, ServiceStatus, StreamStatus, TelemetrySample, WantedChange
from edgert.schema import record_from_object

MOST_COMMAND_BYTES = 4096  # a change with every field is below 300

_LEFT_OUT = ("telemetry", "streams", "numbers", "shadow")
_TELEMETRY = (
    "source",
    "provenance",
    "age_s",
    "power_w",
    "temp_c",
    "rails_w",
    "zones_c",
    "clock_ratio",
    "power_mode",
    "over_current_events",
    "memory_used_bytes",
    "throttled",
    "throttle_reason",
    "gaps",
)
_STREAM = ("served", "skipped", "misses", "served_fps", "latency_p95_s", "wait_p95_s")
_SOURCE = ("state", "reason", "dropped", "reconnects", "last_frame_age_s")


def stats_message(status: ServiceStatus) -> bytes:
    """The status without what is for people at a page; what is empty is left out.

    Power and temperature keep their provenance: emulated figures say so here too.
    """
    stats = {
        name: value
        for name, value in msgspec.to_builtins(status).items()
        if name not in _LEFT_OUT and not _is_empty(value)
    }
    if status.telemetry is not None:
        stats["telemetry"] = _chosen(status.telemetry, _TELEMETRY)
    if status.streams:
        stats["streams"] = [
            {"name": stream.name, **_chosen(stream, _STREAM), **_chosen(stream.source, _SOURCE)}
            for stream in status.streams
        ]
    return msgspec.json.encode(stats)


def event_message(event: Event) -> bytes:
    """An event as it is; facts that JSON has no word for become text."""
    return msgspec.json.encode(event, enc_hook=str)


def answer_to_change(payload: bytes, service: Service, topic: str) -> bytes:
    """Do what a command asks for, and say what came of it.

    Returns:
        {"ok": true, "wanted": {…}}, what is asked for from the next frame on; or {"ok": false,
        "error": "…"}, one line on why nothing has changed.
    """
    try:
        wanted = service.change(change_from_payload(payload, topic), by="mqtt")
    except EdgertError as refusal:
        return msgspec.json.encode({"ok": False, "error": str(refusal)})
    return msgspec.json.encode({"ok": True, "wanted": wanted})


def change_from_payload(payload: bytes, topic: str) -> WantedChange:
    """Read a command.

    Raises:
        SettingsError: It is too long, no JSON, or asks for what there is not.
    """
    subject = f"read {topic}"
    if len(payload) > MOST_COMMAND_BYTES:
        raise SettingsError(
            subject,
            expected=f"at most {MOST_COMMAND_BYTES} bytes",
            got=str(len(payload)),
            advice="Send only what should change",
        )
    try:
        content = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise SettingsError(
            subject,
            expected="JSON",
            got=str(cause),
            advice='Send an object, as {"power_w": 12}',
        ) from cause
    return record_from_object(content, WantedChange, SettingsError, subject=subject)


def _chosen(record: ServiceStatus | StreamStatus | TelemetrySample | Any, names: Any) -> Any:
    values = {name: msgspec.to_builtins(getattr(record, name)) for name in names}
    return {name: value for name, value in values.items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    """None and what has no content; 0 and false say something."""
    return value is None or value in ("", [], {})
