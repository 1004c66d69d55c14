"""What the days of an evaluation are about: five rows, and the seeds that are reported.

Seeds 0 to 19 are for tuning controllers, 100 to 139 are reported. Nothing may be tuned on the
latter.
"""

from edgert.choice import chosen
from edgert.errors import SettingsError
from edgert.records import Record

TUNING_SEEDS = range(20)
REPORTED_SEEDS = range(100, 140)


class Scenario(Record, frozen=True, kw_only=True):
    """Which limits hold and what the world does; every scenario has a deadline of one period."""

    name: str
    words: str
    heat: bool = False  # a temperature limit, an ambient ramp, a fan that may stop
    budget: bool = False  # a power budget in steps
    battery: bool = False  # an energy budget for the whole day


SCENARIOS = {
    row.name: row
    for row in (
        Scenario(name="deadline", words="only a deadline"),
        Scenario(name="power", words="a power budget that steps", budget=True),
        Scenario(name="thermal", words="a temperature limit, air that warms up", heat=True),
        Scenario(name="both", words="power budget and temperature limit", heat=True, budget=True),
        Scenario(name="energy", words="a battery that must last the day", battery=True),
    )
}


def open_scenario(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        SettingsError: There is none; the message lists them.
    """
    return chosen(SCENARIOS, name, "choose a scenario", SettingsError)
