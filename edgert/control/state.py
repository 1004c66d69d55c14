"""Whether a kept state is this controller's own."""

import hashlib

from edgert.control.options import fingerprint
from edgert.errors import ArtifactError
from edgert.records import ControllerState, Profile, ThermalConstants


def thermal_fingerprint(thermal: ThermalConstants | None) -> str:
    """A short hash of the constants that corrections are relative to; "" without any."""
    if thermal is None:
        return ""
    figures = (
        thermal.die_j_per_k,
        thermal.sink_j_per_k,
        thermal.die_to_sink_k_per_w,
        thermal.sink_to_ambient_k_per_w,
    )
    return hashlib.sha256(repr(figures).encode()).hexdigest()[:16]


def refuse_other(state: ControllerState, profile: Profile) -> None:
    """Refuse a state that was learned on something else.

    Raises:
        ArtifactError: One line that says what differs.
    """
    for what, expected, got in (
        ("family", profile.family, state.family),
        ("device", profile.device, state.device),
        ("board", profile.board, state.board),
        ("profile", fingerprint(profile), state.profile),
    ):
        if expected != got:
            raise ArtifactError(
                "restore the controller's state",
                expected=f"one of {what} {expected!r}",
                got=f"one of {got!r}",
                advice="Learning begins anew",
            )
