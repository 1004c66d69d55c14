"""What a controller learned before, and where what it learns now is kept."""

import functools
from pathlib import Path

from edgert.artifacts import load_state, put_aside, save_state
from edgert.control.base import LearningPolicy, Policy
from edgert.errors import EdgertError
from edgert.records import ControllerState
from edgert.runtime.state_keeper import StateKeeper


def restore_learned(
    controller: Policy, name: str, file: Path
) -> tuple[ControllerState | None, str]:
    """Let a controller go on from what it learned before.

    A state that can't be had, or is another board's or profile's, is no reason not to run: the
    file is put aside, and the controller begins without.

    Args:
        controller: Before its first decision.
        name: The controller's, for the words.
        file: What `learned_keeper` wrote.

    Returns:
        The state that was taken over, or None and why not, in words; "" where there was none.
    """
    if not isinstance(controller, LearningPolicy):
        return None, f"{name} learns nothing that could be kept in {file}"
    if not file.exists():
        return None, ""
    try:
        state = load_state(file)
        controller.restore(state)
    except EdgertError as error:
        return None, f"{file} is not used: {error} {put_aside(file)}"
    return state, ""


def learned_keeper(controller: Policy, file: Path, every_s: float) -> StateKeeper | None:
    """What writes the controller's state while it runs; None where it learns nothing."""
    if not isinstance(controller, LearningPolicy):
        return None
    return StateKeeper(controller, functools.partial(save_state, file), every_s=every_s)
