"""Which of its former channels a value still has: a note that cuts leave and fits read.

The note lies in the value's metadata while a graph is in memory; reading a file drops it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_KEY = "edgert.kept"


def note_kept(value: Any, axis: int, mask: NDArray[np.bool_]) -> None:
    """Note that a value keeps some of the channels that it had until now; in place.

    Args:
        value: Computed by a node (onnx_ir.Value).
        axis: Its channel axis.
        mask: (channels until now,), whether each stays.
    """
    before = kept_channels(value, axis)
    indices = np.flatnonzero(mask) if before is None else before[mask]
    value.metadata_props[_KEY] = f"{axis}:{','.join(map(str, indices))}"


def kept_channels(value: Any, axis: int) -> NDArray[np.int64] | None:
    """The channels of the first graph that a value still has along an axis; None: all."""
    note = value.metadata_props.get(_KEY)
    if note is None or not note.startswith(f"{axis}:"):
        return None
    return np.array(note.partition(":")[2].split(","), dtype=np.int64)
