"""Who gives what back: everything once, in any order, and the rest when the device is closed."""

from abc import ABC, abstractmethod


class Owner(ABC):
    """A device that keeps a list of what it handed out.

    The list holds its items: what is dropped without `close` is still given back with the device.
    """

    def __init__(self) -> None:
        self._open: dict[int, Owned] = {}  # by id, in the order of their opening
        self._closed = False

    @abstractmethod
    def _enter(self) -> None:
        """Make the device this thread's own, or leave it to the next call to fail."""

    @abstractmethod
    def _finish(self) -> None:
        """Wait until the device is idle, or is past waiting for."""

    @abstractmethod
    def _let_go(self) -> None:
        """Drop the device itself; nothing of it is open any more."""

    def check_open(self, what: str) -> None:
        """Refuse to go on after `close`.

        Raises:
            ValueError: The device is closed.
        """
        if self._closed:
            raise ValueError(f"{what}: the device is closed")

    def check_allocation(self, kind: str, size_bytes: int) -> str:
        """Refuse to allocate nothing, or after `close`.

        Returns:
            What was being done, for error lines.

        Raises:
            ValueError: The device is closed, or `size_bytes` is below 1.
        """
        subject = f"allocate {kind}"
        self.check_open(subject)
        if size_bytes < 1:
            raise ValueError(f"{subject}: expected at least 1 byte, got {size_bytes}")
        return subject

    def close(self) -> None:
        """Wait for queued work, close what is still open, and let go of the device."""
        if self._closed:
            return
        self._enter()
        self._finish()
        for item in reversed(list(self._open.values())):
            item.close()
        self._closed = True
        self._let_go()

    def holds(self, item: "Owned") -> bool:
        """Whether it was handed out and is not closed."""
        return id(item) in self._open

    def _add(self, item: "Owned") -> None:
        self._open[id(item)] = item

    def _remove(self, item: "Owned") -> bool:
        """True for the one caller, of any thread, that takes it off the list."""
        return self._open.pop(id(item), None) is not None


class Owned(ABC):
    """Something that a device handed out.

    A failure while it is given back is not reported: the device is then broken or gone, its memory
    with it, and says so wherever work is queued or waited for.
    """

    kind = "object"

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        owner._add(self)

    @abstractmethod
    def _give_back(self) -> None:
        """Called once, in a thread that uses the device."""

    def check_open(self) -> None:
        """Refuse to be used after `close`.

        Raises:
            ValueError: It is closed.
        """
        if not self._owner.holds(self):
            raise ValueError(f"use a {self.kind}: it is closed")

    def close(self) -> None:
        """Give it back. A second call does nothing."""
        if self._owner._remove(self):
            self._owner._enter()
            self._give_back()
