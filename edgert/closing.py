"""What is closed at the end of a `with` block."""

from typing import TypeVar

Self = TypeVar("Self", bound="Closing")


class Closing:
    """Base of whatever holds files, threads or a device, and has one way to let go of them."""

    def close(self) -> None:
        """Let go of what is held. A second call does nothing."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
