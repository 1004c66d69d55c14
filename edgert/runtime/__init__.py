"""The frame loop: one video, one pool of engines, one controller; switches between frames only.

loop      the loop itself
pace      what a frame costs in time, on a real clock and on a virtual one
run_log   decisions.jsonl while it is written
summary   what a run came to
signals   SIGINT and SIGTERM become a request to stop
"""

from edgert.runtime.loop import FrameLoop
from edgert.runtime.signals import install_signal_handlers
from edgert.runtime.summary import RunSummary

__all__ = ["FrameLoop", "RunSummary", "install_signal_handlers"]
