"""Run by test_video_parts in a process of its own: parts of a video on a disk that is full.

python full_disk_video.py FOLDER      with FOLDER on a disk of 400 KiB
"""

import sys
import time
from pathlib import Path

import numpy as np

from edgert.runtime.retries import HELD_S
from edgert.runtime.stream_sinks import StreamSink
from edgert.runtime.video_parts import PartLimits
from edgert.video.sink import open_sink

NOISE = np.random.default_rng(0).integers(0, 256, (10, 48, 64, 3), dtype=np.uint8)
FPS = 10.0


class Others:
    """Who takes all room that there is."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "others"
        self.file = self.path.open("wb", buffering=0)

    def take(self) -> None:
        try:
            while self.file.write(b"x" * 4096):
                pass
        except OSError:
            pass

    def leave(self) -> None:
        self.file.close()
        self.path.unlink()


class Camera:
    """Gives a picture to a sink every tenth of a second of a time of its own."""

    def __init__(self, sink: StreamSink) -> None:
        self.sink, self.now_s, self.written, self.rest_s = sink, 0.0, 0, 0.002

    def play(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 1 / FPS
            if not self.sink.wants(self.now_s):
                continue
            self.sink.write(NOISE[self.written % 10], fps=FPS, now_s=self.now_s, may_wait=True)
            self.written += 1
            time.sleep(self.rest_s)  # for the encoder


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("out*.mp4"))


def main(folder: Path) -> None:
    sink = StreamSink(str(folder / "out.mp4"), open_sink, PartLimits(longest_s=2.0, kept=3))
    camera, others = Camera(sink), Others(folder)
    camera.play(7.0)
    assert sink.problem == "", sink.problem
    before = parts(folder)
    others.take()
    told, asked = 0, 0
    for _ in range(240):  # four minutes
        camera.play(1.0)
        others.take()
        told, asked = told + bool(sink.problem), asked + 1
    assert told > 0.8 * asked, (told, asked)
    assert "No space left" in sink.problem, sink.problem
    assert len(set(before) & set(parts(folder))) >= 2, (before, parts(folder))
    assert len(parts(folder)) <= 4, parts(folder)
    others.leave()
    camera.rest_s = 0.0
    camera.play(300.0 + 2 * HELD_S)
    assert sink.problem == "", sink.problem
    sink.close()
    assert len(parts(folder)) == 3, parts(folder)
    print("pictures", camera.written, "before", before, "after", parts(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
