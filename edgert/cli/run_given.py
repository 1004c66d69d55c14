"""What a run is given besides engines and video: a board, a trace, what was learned before."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgert.artifacts.trace import read_trace
from edgert.clock import Clock, MonotonicClock, VirtualClock
from edgert.control.base import Policy
from edgert.records import ControllerState, Family, Profile, RunHeader
from edgert.settings import Settings


class World(NamedTuple):
    """The clock, the board if it is emulated, and what happens around it."""

    clock: Clock
    board: Any
    circumstances: Any


def world_from(arguments: argparse.Namespace, settings: Settings, profile: Profile) -> World:
    """The clock, the emulated board with the profile's engines as its loads, the trace.

    Raises:
        UsageError: There is no board of that name, or the trace needs an emulated one.
        SettingsError: The board's file is damaged.
        ArtifactError: The trace is missing or damaged.
    """
    clock: Clock = VirtualClock() if arguments.virtual_time else MonotonicClock()
    board: Any = None
    if settings.board:
        from edgert.opening.boards import emulated_board

        board = emulated_board(settings.board, clock, profile)
    if arguments.trace is None:
        return World(clock, board, None)
    from edgert.runtime.circumstances import Circumstances, TracedBoard

    traced = None if board is None else TracedBoard(board)
    return World(clock, traced, Circumstances(read_trace(arguments.trace), traced))


def restore_state(controller: Policy, settings: Settings) -> tuple[ControllerState | None, str]:
    """What the controller goes on from, where the settings name a file; a problem is printed.

    Returns:
        As `restore_learned`.
    """
    if not settings.state_file:
        return None, ""
    from edgert.opening.learned import restore_learned

    state, note = restore_learned(controller, settings.controller, Path(settings.state_file))
    if note:
        print(note, file=sys.stderr)
    return state, note


def shadow_runs(
    settings: Settings, family: Family, names: Sequence[str], header: RunHeader, clock: Clock
) -> Any:
    """What holds engines against the full one while they run; why not is said on stderr.

    Arguments are those of `open_shadow`.
    """
    if not settings.shadow.share:
        return None
    from edgert.opening.shadow import open_shadow

    shadow, note = open_shadow(settings, family, names, header, clock)
    if note:
        print(note, file=sys.stderr)
    return shadow


def state_keeper(controller: Policy, settings: Settings) -> Any:
    """What writes the controller's state while it runs; None where nothing is to be kept."""
    if not settings.state_file:
        return None
    from edgert.opening.learned import learned_keeper

    return learned_keeper(controller, Path(settings.state_file), settings.state_every_s)
