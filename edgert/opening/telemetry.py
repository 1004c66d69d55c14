"""Where power and heat are read."""

from pathlib import Path

from edgert.clock import Clock
from edgert.errors import SourceUnavailableError
from edgert.records import Provenance
from edgert.settings import Settings
from edgert.telemetry import open_source
from edgert.telemetry.base import TelemetrySource

_FIRST_SAMPLE_S = 3.0  # what a source of another process may take


def open_telemetry(
    settings: Settings, clock: Clock, *, root: Path = Path("/")
) -> tuple[TelemetrySource | None, str]:
    """The source that the settings name, or the first that there is; None without one.

    A run without power and heat is a run all the same, but limits on them can't be held then,
    which is told in words.

    Args:
        settings: The source's name, and the limits.
        clock: That samples are stamped with.
        root: Where /sys, /proc and /etc lie.

    Raises:
        SourceUnavailableError: The source that was named is not there.
        MissingDependencyError: It needs an extra.
        SettingsError: A board file is damaged.
    """
    chosen = settings.telemetry
    try:
        source = open_source(chosen.source, root=root, clock=clock, interval_s=chosen.interval_s)
    except SourceUnavailableError as error:
        if chosen.source:
            raise
        limits = settings.limits
        if limits.power_w is not None or limits.temp_c is not None:
            return None, f"limits on power and temperature can't be held: {error}"
        return None, ""
    return source, ""


def provenance_of(source: TelemetrySource, clock: Clock) -> Provenance | None:
    """Where a source's figures come from, by its first sample; None if none comes in time."""
    end_s = clock.now_s() + _FIRST_SAMPLE_S
    while clock.now_s() < end_s:
        sample = source.read()
        if sample is not None:
            return sample.provenance
        clock.sleep(0.05)
    return None
