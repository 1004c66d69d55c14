"""Which configuration the next frame runs, and why; pure, without devices, clocks or arrays.

A controller is constructed as `Controller(profile, limits, thermal)` and spoken to through
`control.base.Policy`.
"""

from importlib import import_module
from typing import cast

from edgert.choice import chosen
from edgert.control.base import PinnablePolicy, Policy
from edgert.control.controller import Controller
from edgert.control.pinnable import Pinnable
from edgert.errors import SettingsError
from edgert.records import Limits, Profile, ThermalConstants

__all__ = ["CONTROLLERS", "Controller", "Policy", "open_controller"]

CONTROLLERS = {
    "predictive": "edgert.control.controller:Controller",
    "ladder": "edgert.control.baselines.ladder:HysteresisLadder",
    "fixed-dearest": "edgert.control.baselines.fixed:FixedDearest",
    "fixed-cheapest": "edgert.control.baselines.fixed:FixedCheapest",
    "alert": "edgert.control.baselines.alert:Alert",
    "alert-tuned": "edgert.control.baselines.alert:AlertTuned",
    "pi": "edgert.control.baselines.pi:PiController",
    "lookup": "edgert.control.baselines.lookup:LookupTable",
}


def open_controller(
    name: str, profile: Profile, limits: Limits, thermal: ThermalConstants | None = None
) -> Policy:
    """Construct the controller of that name; each of them can be told what to run.

    Args:
        name: One of `CONTROLLERS`.
        profile: What each configuration costs and gives; at least one entry.
        limits: What must hold.
        thermal: How the board heats, where that is known; only some controllers use it.

    Raises:
        SettingsError: There is no controller of that name; the message lists them.
    """
    place = chosen(CONTROLLERS, name, "choose a controller", SettingsError)
    module, _, attribute = place.partition(":")
    policy = cast("Policy", getattr(import_module(module), attribute)(profile, limits, thermal))
    return policy if isinstance(policy, PinnablePolicy) else Pinnable(policy, profile)
