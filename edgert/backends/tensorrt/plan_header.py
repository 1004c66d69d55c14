"""The version in a plan's first bytes, read without TensorRT.

A plan runs on exactly the version that built it. To ask the runtime means to hand it the plan;
the header tells before that, and on a machine that has no TensorRT.
"""

from typing import NamedTuple

from edgert.backends.tensorrt.vendor import RTX_TAG, TENSORRT_TAG, version_text

_NAMES = {TENSORRT_TAG: "TensorRT", RTX_TAG: "TensorRT-RTX"}
# As NVIDIA's trtexec reads it (--getPlanVersionOnly): a tag, four bytes of zero, then, from the
# 24th byte on, major, minor, patch and build in one byte each.
_ZEROS = slice(4, 8)
_NUMBERS = slice(24, 28)


class PlanVersion(NamedTuple):
    """What built a plan."""

    product: str  # "TensorRT" or "TensorRT-RTX"
    numbers: tuple[int, ...]  # major, minor, patch, build

    def __str__(self) -> str:
        """Like: TensorRT 10.3.0.30."""
        return f"{self.product} {version_text(self.numbers)}"


def plan_version(plan: bytes) -> PlanVersion | None:
    """What built a plan; None for what is no plan, or less than its header."""
    product = _NAMES.get(bytes(plan[:4]))
    if product is None or any(plan[_ZEROS]) or len(plan) < _NUMBERS.stop:
        return None
    return PlanVersion(product, tuple(plan[_NUMBERS]))
