"""Memory of the machine that stays in its place, whoever allocated it."""

import numpy as np
from numpy.typing import NDArray

from edgert.backends.cuda_memory.lifetime import Owned, Owner


class PinnedMemory(Owned):
    """Its bytes as an array. How it is given back is the binding's business.

    Args:
        cuda: The device that it belongs to.
        array: All of it, (size_bytes,) of uint8.

    Attributes:
        address: Where the device reads it, 0 where it is not mapped.
        size_bytes: How much it is.
    """

    kind = "pinned buffer"

    def __init__(self, cuda: Owner, array: NDArray[np.uint8]) -> None:
        super().__init__(cuda)
        self.address, self.size_bytes = 0, array.nbytes
        self._array = array

    @property
    def array(self) -> NDArray[np.uint8]:
        """The bytes for this program, (size_bytes,); not to be touched after `close`."""
        self.check_open()
        return self._array
