"""Any source, read by a thread of its own, for loops that can't wait for a sensor.

A power sensor of a Jetson takes up to 13 ms for each of two files; a frame may not.
"""

import logging
import threading

import msgspec

from edgert.clock import Clock, MonotonicClock
from edgert.errors import EdgertError
from edgert.records import TelemetrySample
from edgert.telemetry.base import TelemetrySource

logger = logging.getLogger(__name__)


class BackgroundSource:
    """Reads a source in turn and hands out what it saw last, with its age.

    The thread starts at once and ends with `close`, which closes the source too.

    Args:
        source: Used by the thread alone from now on.
        interval_s: From one read to the next.
        clock: The one that `source` stamps its samples with.
    """

    def __init__(
        self, source: TelemetrySource, interval_s: float, *, clock: Clock | None = None
    ) -> None:
        if not interval_s > 0:
            raise ValueError(f"interval_s must be > 0, not {interval_s}")
        self.name = source.name
        self.source = source
        self._interval_s = interval_s
        self._clock = clock or MonotonicClock()
        self._newest: TelemetrySample | None = None
        self._error: EdgertError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{source.name} telemetry")
        self._thread.daemon = True  # a sensor that never answers may not keep the process alive
        self._thread.start()

    def read(self) -> TelemetrySample | None:
        """The newest sample; None before the first.

        Raises:
            SensorReadError: The source's newest read failed.
        """
        error, sample = self._error, self._newest
        if error is not None:
            raise error
        if sample is None:
            return None
        age_s = max(0.0, self._clock.now_s() - sample.time_s)
        return msgspec.structs.replace(sample, age_s=age_s)

    def close(self) -> None:
        """End the thread and close the source; waits for a read that is under way, briefly."""
        self._stop.set()
        self._thread.join(timeout=2.0)
        if not self._thread.is_alive():
            self.source.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                sample = self.source.read()
                self._error = None
                if sample is not None:
                    self._newest = sample
            except EdgertError as error:
                logger.debug("telemetry gap: %s", error)
                self._error = error
            self._stop.wait(self._interval_s)
