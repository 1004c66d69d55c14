"""The frame loops: engines and a controller, switching between two frames only.

serving        what one frame goes through: telemetry, decision, engine, account, line
loop           one video to its end
stream_loop    several live streams for months, with
  stream         one of them: source, sinks, counts
  turns          whose turn it is
  rhythm         how often a stream is served
  stream_sinks   sinks that are tried again, by
  retries        what is told once, left alone and tried again
  video_parts    video files as parts that follow each other
  ending         the end of all streams
  requests       what other threads ask of the loop
  pictures       pictures that are sent in
  sharing        the limits of one turn
  figures        what the loop tells of itself, and
  loop_state     where it keeps that
  decision_log   its decisions on disk, rotated and bounded
pace           what a frame costs in time, on a real clock and on a virtual one
circumstances  what a trace says, made to happen: around an emulated board, and to limits
frame_line     one frame as the log keeps it
run_log        decisions.jsonl while a run writes it
state_keeper   what the controller learns, written now and then and at the end
summary        what a run came to
signals        SIGINT and SIGTERM become a request to stop
"""

from edgert.runtime.loop import FrameLoop
from edgert.runtime.signals import install_signal_handlers
from edgert.runtime.summary import RunSummary

__all__ = ["FrameLoop", "RunSummary", "install_signal_handlers"]
