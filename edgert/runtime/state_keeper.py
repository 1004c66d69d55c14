"""Keeps what a controller learns, while a run goes on and when it ends."""

import logging
import math
import threading
from collections.abc import Callable

from edgert.closing import Closing
from edgert.control.base import LearningPolicy
from edgert.errors import EdgertError
from edgert.records import ControllerState

logger = logging.getLogger(__name__)


class StateKeeper(Closing):
    """Writes a controller's state every so often, and once more when it is closed.

    Writes in between happen in a thread, as a disk may take longer than a frame does. A write
    that fails is a warning: a run does not end for it.

    Args:
        policy: Whose state; asked between two frames only.
        save: Writes a state, whole or not at all.
        every_s: From one write to the next, on the clock of `after_frame`.
    """

    def __init__(
        self, policy: LearningPolicy, save: Callable[[ControllerState], None], *, every_s: float
    ) -> None:
        self._policy, self._save, self._every_s = policy, save, every_s
        self._due_s: float | None = None
        self._writing: threading.Thread | None = None
        self._closed = False

    def after_frame(self, now_s: float) -> None:
        """Begin a write where one is due and none is under way."""
        if self._due_s is None:
            self._due_s = now_s + self._every_s
        if now_s < self._due_s or (self._writing is not None and self._writing.is_alive()):
            return
        self._due_s = now_s + self._every_s
        state = self._policy.state()
        self._writing = threading.Thread(target=self._write, args=(state,), name="state")
        self._writing.start()

    def hasten(self) -> None:
        """Begin a write behind the next frame: what is on file is of other figures. Any thread."""
        self._due_s = -math.inf

    def close(self) -> None:
        """Write the last state, after the write that may be under way."""
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            self._writing.join()
        if self._due_s is not None:  # else no frame ran: what is on file is as good
            self._write(self._policy.state())

    def _write(self, state: ControllerState) -> None:
        try:
            self._save(state)
        except EdgertError as error:
            logger.warning("the controller's state is not kept: %s", error)
