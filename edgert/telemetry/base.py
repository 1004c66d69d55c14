"""What every telemetry source offers, whatever it reads.

A source owns its files, processes and time stamps. What follows from a sample is `control`'s
business, and an emulated board offers the same three members.
"""

from typing import Protocol

from edgert.records import TelemetrySample


class TelemetrySource(Protocol):
    """Power and temperature of the board, one sample at a time."""

    name: str

    def read(self) -> TelemetrySample | None:
        """The newest sample, or None while there is none.

        Cheap enough to be called before every frame: a source whose sensors answer slowly reads
        them elsewhere and hands out what it last saw, with the time it was seen.

        Raises:
            SensorReadError: A sensor did not answer; the next read may succeed.
        """
        ...

    def close(self) -> None:
        """Release what the source holds; a second call does nothing."""
        ...
