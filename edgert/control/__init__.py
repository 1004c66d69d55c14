"""Which configuration the next frame runs, and why; pure, without devices, clocks or arrays.

A controller is constructed as `Controller(profile, limits)` and spoken to through
`control.base.Policy`.
"""

from importlib import import_module
from typing import cast

from edgert.control.base import Policy
from edgert.errors import SettingsError
from edgert.records import Limits, Profile

CONTROLLERS = {
    "ladder": "edgert.control.ladder:HysteresisLadder",
    "fixed-dearest": "edgert.control.fixed:FixedDearest",
    "fixed-cheapest": "edgert.control.fixed:FixedCheapest",
}


def open_controller(name: str, profile: Profile, limits: Limits) -> Policy:
    """Construct the controller of that name.

    Raises:
        SettingsError: There is no controller of that name; the message lists them.
    """
    if name not in CONTROLLERS:
        raise SettingsError(
            "choose a controller",
            expected=f"one of {', '.join(CONTROLLERS)}",
            got=repr(name),
            advice="Name one of them",
        )
    module, _, attribute = CONTROLLERS[name].partition(":")
    return cast("Policy", getattr(import_module(module), attribute)(profile, limits))
