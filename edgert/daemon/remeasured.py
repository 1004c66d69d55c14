"""The engines that are served go on by other figures: a profile that was measured since.

Nothing is loaded, and no stream hears of it. The profile is read and tried on a new controller
first; what fails leaves the figures of before at work.
"""

from typing import NamedTuple

from edgert.daemon.choosing import Finder, FoundSet
from edgert.daemon.engines import (
    Engines,
    Steering,
    Surroundings,
    learned_file,
    open_steering,
)
from edgert.daemon.swap import wait_for
from edgert.errors import ArtifactError
from edgert.opening.learned import learned_keeper
from edgert.records import Limits, RunHeader
from edgert.runtime.stream_loop import StreamLoop
from edgert.settings import Settings


class Remeasured(NamedTuple):
    """Other figures of the engines that are served."""

    found: FoundSet
    steering: Steering
    what: str  # is other than before, in words


def remeasured(
    served: Engines, finder: Finder, settings: Settings, around: Surroundings, limits: Limits
) -> Remeasured | None:
    """What the engines that are served would be steered by if they were loaded now.

    Args:
        served: The engines.
        finder: Finds their profile.
        settings: Controller, thermal constants, shadow runs.
        around: Clock, telemetry, board.
        limits: What is asked for now.

    Returns:
        None where it is what they are steered by already.

    Raises:
        EdgertError: The profile, or another file that the settings name, is not there or of no
            use.
    """
    before = served.serving.header
    found = finder.measured_since(served.found)
    steering = open_steering(
        found, served.pool.names, served.device, settings, around, limits=limits
    )
    what = "" if before is None else _differences(before, steering.header)
    return Remeasured(found, steering, what) if what else None


def take(asked: Remeasured, served: Engines, loop: StreamLoop, settings: Settings) -> None:
    """Let the engines that are served go on by other figures; returns when they do.

    Args:
        asked: The figures.
        served: The engines; what they have of figures is exchanged.
        loop: That serves them.
        settings: How often what is learned is kept.

    Raises:
        EdgertError: No frame ended for a minute, or the loop ends; nothing was exchanged.
    """
    controller, header, shadow, _ = asked.steering
    wait_for(loop.take_figures(controller, header, shadow), "take other figures")
    served.found = asked.found
    served.notes = asked.steering.notes
    if served.shadow is None or shadow is None:
        served.shadow = shadow
    if served.serving.controller is controller:  # else the one of before learns on
        file = learned_file(asked.found)
        served.keeper = learned_keeper(controller, file, settings.state_every_s)
    if served.keeper is not None:
        served.keeper.hasten()
    try:
        asked.found.stored.keep_profile(asked.found.profile)
    except ArtifactError as error:
        served.notes.append(f"the next start begins with the profile of before: {error}")


def _differences(before: RunHeader, now: RunHeader) -> str:
    pairs = {
        "profile": (before.profile, now.profile),
        "age of the profile": (before.stale, now.stale),
        "controller": (before.controller, now.controller),
        "thermal constants": (before.thermal, now.thermal),
    }
    return ", ".join(name for name, (old, new) in pairs.items() if old != new)
