"""How several streams share one board: the limits of one turn."""

import msgspec

from edgert.records import Limits


def limits_of_a_turn(limits: Limits, streams: int) -> Limits:
    """What the controller has to hold for one frame, where several streams take turns.

    Each stream may bring a frame every `period_s`, so that a turn comes every `period_s / N`: the
    controller reckons power with it, and a frame that takes longer would let the others' frames
    pile up. Power, temperature and energy are of the whole board and stay. Without a period
    nothing says how often frames come, and the deadline stays as it is asked for.

    Args:
        limits: As asked for, of each stream.
        streams: That run now.
    """
    if streams < 2 or limits.period_s is None:
        return limits
    turn_s = limits.period_s / streams
    deadline_s = None if limits.deadline_s is None else min(limits.deadline_s, turn_s)
    return msgspec.structs.replace(limits, period_s=turn_s, deadline_s=deadline_s)
