"""What an operator asks for: changed by anybody, held by the loop, kept over restarts."""

import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from edgert.daemon.checks import check_limits
from edgert.daemon.state import (
    Restored,
    changed_wanted,
    keep_wanted,
    merge_wanted,
    restore_wanted,
)
from edgert.errors import EdgertError, SettingsError
from edgert.records import Limits, Wanted, WantedChange

logger = logging.getLogger(__name__)


class Asked:
    """Any thread may call anything; each change is heard and kept before the next.

    Args:
        folder: Where it is kept.
        settings: The limits as the settings say.

    Attributes:
        notes: What should be heard of how it was restored, in words.
        problem: Why it is not kept, in words; "" while it is.
    """

    def __init__(self, folder: Path, settings: Limits) -> None:
        self._folder, self._settings = folder, settings
        self._lock = threading.Lock()
        self._hear: Callable[[Wanted], None] = lambda _: None
        self._wanted, self.notes = self._restored()
        self.problem = ""

    @property
    def now(self) -> Wanted:
        """All that is asked for."""
        return self._wanted

    def tell(self, hear: Callable[[Wanted], None]) -> None:
        """Hand it to somebody, now and after each change."""
        with self._lock:
            self._hear = hear
            hear(self._wanted)

    def change(self, change: WantedChange, names: Collection[str]) -> tuple[Wanted, list[str]]:
        """Ask for something else.

        Args:
            change: What.
            names: Configurations that may be pinned; none of them: nobody knows yet.

        Returns:
            All that is asked for now, and what became different, in words.

        Raises:
            SettingsError: It makes no sense.
        """
        with self._lock:
            wanted, words = changed_wanted(self._wanted, change)
            check_limits(wanted.limits)
            _check_pin(wanted.pinned, names)
            self._take(wanted)
        return wanted, words

    def merge(self, settings: Limits) -> list[str]:
        """Take over what changed in the settings; says what became different.

        Raises:
            SettingsError: With what is asked for it makes no sense; nothing is taken over.
        """
        with self._lock:
            merged = merge_wanted(self._wanted, before=self._settings, now=settings)
            check_limits(merged.wanted.limits)
            self._settings = settings
            self._take(merged.wanted)
        return merged.notes

    def drop_pin(self, names: Collection[str]) -> None:
        """Forget a pin on a configuration that is not among these."""
        with self._lock:
            if self._wanted.pinned is not None and self._wanted.pinned not in names:
                self._take(msgspec.structs.replace(self._wanted, pinned=None))

    def _take(self, wanted: Wanted) -> None:
        """Tell it, and keep it; a disk that is full is told and no reason not to."""
        self._wanted = wanted
        self._hear(wanted)
        try:
            keep_wanted(self._folder, self._settings, wanted)
            self.problem = ""
        except EdgertError as error:
            self.problem = f"what is asked for is not kept: {error}"
            logger.warning("%s", self.problem)

    def _restored(self) -> Restored:
        restored = restore_wanted(self._folder, self._settings)
        try:
            check_limits(restored.wanted.limits)
        except SettingsError as error:  # each of both would fit, together they don't
            wanted = msgspec.structs.replace(restored.wanted, limits=self._settings)
            return Restored(wanted, [*restored.notes, f"limits are as the settings say: {error}"])
        return restored


def _check_pin(name: str | None, names: Collection[str]) -> None:
    if name is None or not names or name in names:
        return
    raise SettingsError(
        "pin a configuration",
        expected=f"one of {', '.join(names)}",
        got=repr(name),
        advice="Correct the name, or send null",
    )
