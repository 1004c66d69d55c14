"""The end of several streams: what waits for the network is waited for once, not one by one."""

from collections.abc import Sequence

from edgert.clock import Clock, MonotonicClock
from edgert.runtime.stream import Stream

LET_GO_S = 10.0  # for all sources together: as long as opening one may take


def end_streams(
    streams: Sequence[Stream], *, within_s: float = LET_GO_S, clock: Clock | None = None
) -> None:
    """Ask all sources to end, finish what was written, then wait for the sources.

    Args:
        streams: All of them.
        within_s: For the sources, all in all. What takes longer is let go of: its thread ends by
            itself, or with the process.
        clock: The wall's, as the network's time is; None: the machine's.
    """
    clock = clock or MonotonicClock()
    end_s = clock.now_s() + within_s
    for stream in streams:
        stream.stop()
    for stream in streams:
        stream.close_sinks()
    for stream in streams:
        stream.close(within_s=max(end_s - clock.now_s(), 0.0))
