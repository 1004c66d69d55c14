"""A sampler and a watch over one telemetry source, in real or in virtual time."""

from types import TracebackType

from edgert.clock import Clock
from edgert.profiling.energy.conditions import Watch
from edgert.telemetry.base import TelemetrySource
from edgert.telemetry.sampler import Sampler
from edgert.telemetry.series import PowerSamples


class PowerMeter:
    """Reads power at dithered instants while engines run; a context manager.

    In real time a thread reads. In virtual time nothing runs by itself: whoever lets time pass
    does so on `meter.clock`, whose `sleep` reads the source at every instant on the way.

    Args:
        source: Used by the meter alone while it runs; stays open.
        clock: The one that the source stamps its samples with.
        interval_s: Mean time between reads: 20 ms for sysfs, 100 ms for jtop.
        seed: Of the instants.
        virtual: The clock is a virtual one.
    """

    def __init__(
        self,
        source: TelemetrySource,
        clock: Clock,
        *,
        interval_s: float = 0.02,
        seed: int = 0,
        virtual: bool = False,
    ) -> None:
        self.interval_s = interval_s
        self.watch = Watch(source)
        self.sampler = Sampler(self.watch, interval_s, seed=seed, clock=clock)
        self.clock: Clock = _SampledClock(clock, self.sampler) if virtual else clock
        self._virtual = virtual

    @property
    def samples(self) -> PowerSamples:
        """All samples so far; copies."""
        return self.sampler.samples

    def __enter__(self) -> "PowerMeter":
        if not self._virtual:
            self.sampler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sampler.stop()


class _SampledClock:
    """A virtual clock that reads the source on the way."""

    def __init__(self, clock: Clock, sampler: Sampler) -> None:
        self._clock = clock
        self._sampler = sampler

    def now_s(self) -> float:
        return self._clock.now_s()

    def sleep(self, duration_s: float) -> None:
        if duration_s > 0:
            self._sampler.run_for(duration_s)
