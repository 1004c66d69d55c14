"""Shadow runs, as the settings ask for them."""

from collections.abc import Sequence

from edgert.clock import Clock
from edgert.records import Family, RunHeader
from edgert.runtime.shadow import ShadowRuns
from edgert.settings import Settings


def open_shadow(
    settings: Settings, family: Family, names: Sequence[str], header: RunHeader, clock: Clock
) -> tuple[ShadowRuns | None, str]:
    """What holds engines against the full one while they run; None where nobody asked for it.

    Args:
        settings: How often.
        family: Whose engines these are.
        names: Of its configurations that were built, the full one first.
        header: Of the run: what the full one takes, and what the board draws with nothing to do.
        clock: The run's.

    Returns:
        The shadow runs, or None; and why there are none although they were asked for, in words.
    """
    profile, full = header.profile, names[0]
    if not settings.shadow.share or profile is None:
        return None, ""
    if all(entry.name != full for entry in profile.entries):
        return None, f"no shadow runs: the profile has no figures of {full}. Measure it again"
    shadow = ShadowRuns(
        settings.shadow.share,
        full=full,
        names=names,
        task=family.task,
        profile=profile,
        clock=clock,
        idle_w=None if header.thermal is None else header.thermal.idle_w,
    )
    return shadow, ""
