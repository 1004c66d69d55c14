"""What a graph may hold to run somewhere: a target says of a node why it can't.

base                 a node as a target sees it
onnxruntime          the installed onnxruntime, by what it says of itself
tensorrt             the oldest TensorRT that engines are built for, by a written table
tensorrt_operators   the table: operators and their types
tensorrt_limits      what the table can't say: attributes, constants, control flow
"""

from collections.abc import Callable

from edgert.build.targets.base import NodeUse, Target
from edgert.build.targets.onnxruntime import OnnxRuntimeTarget, newest_opset
from edgert.build.targets.tensorrt import TensorRtTarget

# Every target, by the name that it is asked for with.
TARGETS: dict[str, Callable[[], Target]] = {
    "onnxruntime": OnnxRuntimeTarget.installed,
    "tensorrt": TensorRtTarget,
}

__all__ = ["TARGETS", "NodeUse", "OnnxRuntimeTarget", "Target", "TensorRtTarget", "newest_opset"]
