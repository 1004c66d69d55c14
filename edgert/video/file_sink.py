"""An mp4 file as a sink of frames, encoded in a thread of its own.

`write` copies the picture into a reused buffer: 0.02 ms for 640x360, against 0.4 ms to convert it
to the encoder's format there (2 vCPU x86-64, medians of 60, November 2026). The conversion runs
beside the encoder, while the next frame is computed.

The file is written as "<name>.partial.mp4" and renamed by `close`, so that nothing half-written
ever stands under the final name. It is a fragmented mp4 while it grows, playable up to the last
fragment even after SIGKILL, and a plain one with its index after `close`.
"""

import math
import os
import threading
from collections import deque
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import VideoError
from edgert.optional import needs

KEYFRAME_EVERY_S = 1.0  # also the length of a fragment: what SIGKILL can cost at most, and a bit
_ITU_R_601 = 5  # AVColorSpace of what swscale makes of RGB; players would guess 709 from 720 lines
_MUXER = {
    # The header waits for the first fragment, so that it can tell when the first frame is shown:
    # GStreamer's demuxer would leave out the last frames of a file that does not say so.
    "movflags": "hybrid_fragmented+frag_keyframe+delay_moov",
    "flush_packets": "1",
}


class FileSink:
    """An mp4 file: H.264 where FFmpeg has libx264, else MPEG-4.

    Args:
        path: Where the finished video stands; its folder must exist.
        fps: Constant frame rate of the video.
        width: Of the pictures. An odd width or height is padded by its last column or row.
        height: Of the pictures.
        capacity: How many pictures may wait for the encoder before `write` waits.
        shown: The file's name in messages; empty: its path.

    Raises:
        VideoError: The file can not be written there.
        ValueError: No positive size or no positive rate.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: float,
        width: int,
        height: int,
        capacity: int = 8,
        shown: str = "",
    ) -> None:
        if width < 1 or height < 1 or not 0 < fps < math.inf:
            raise ValueError(f"no video of {width} x {height} at {fps} frames per second")
        self._av = needs("av", "video", "to write video")
        self._reformat = (
            needs("av.video.reformatter", "video", "to write video").VideoReformatter().reformat
        )
        self._path, self._shown = path, shown or str(path)
        self._partial = path.with_name(f"{path.stem}.partial.mp4")
        self._size = (height, width)
        self._even = (height + height % 2, width + width % 2)
        self._capacity = capacity
        self._container, self._stream = self._open(fps)
        self._written = 0
        self._pending: deque[NDArray[np.uint8]] = deque()
        self._spare: list[NDArray[np.uint8]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._error: VideoError | None = None
        self._thread = threading.Thread(target=self._run, name="video-encoder", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether `write` would have to wait for the encoder."""
        return len(self._pending) >= self._capacity

    def write(self, image: NDArray[np.uint8]) -> None:
        """Hand one picture to the encoder, waiting while `capacity` are pending.

        Args:
            image: (H, W, 3) uint8 RGB of the sink's size. Copied; free to be reused.

        Raises:
            VideoError: The encoder failed, as when the disk is full. What was written is kept.
            ValueError: Another shape or dtype, or the sink is closed.
        """
        if image.shape != (*self._size, 3) or image.dtype != np.uint8:
            raise ValueError(f"needs {(*self._size, 3)} uint8, got {image.shape} {image.dtype}")
        with self._changed:
            if self._closing:
                raise ValueError("write to a closed sink")
            self._changed.wait_for(lambda: self._error or len(self._pending) < self._capacity)
            if self._error:
                raise self._error
            buffer = self._spare.pop() if self._spare else np.empty((*self._even, 3), np.uint8)
        self._fill(buffer, image)
        with self._changed:
            self._pending.append(buffer)
            self._written += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Encode what is pending, finish the file and give it its name.

        Does nothing the second time. Without a single frame there is no file.

        Raises:
            VideoError: The file could not be finished; the part that plays keeps the partial name.
        """
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self._error:
            raise self._error
        try:
            if self._written:
                os.replace(self._partial, self._path)
            else:
                self._partial.unlink(missing_ok=True)
        except OSError as error:
            raise self._refusal(f"its final name for {self._partial.name}", error) from error

    def __enter__(self) -> "FileSink":
        """The sink itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; a failure to do so does not hide the error that ended the run."""
        try:
            self.close()
        except VideoError:
            if error is None:
                raise

    def _open(self, fps: float) -> tuple[Any, Any]:
        try:
            # PyAV creates the file at the first packet only; a wrong place is to be told before
            # the run. Not by start_encoding(): FFmpeg 8 crashes on closing a file without packets.
            self._partial.write_bytes(b"")
            container = self._av.open(str(self._partial), "w", format="mp4", options=_MUXER)
        except (OSError, ValueError, self._av.FFmpegError) as error:
            raise self._refusal("a file that can be written", error) from error
        return container, self._add_stream(container, fps)

    def _add_stream(self, container: Any, fps: float) -> Any:
        rate = max(Fraction(fps).limit_denominator(1001), Fraction(1, 1001))
        if "libx264" in self._av.codecs_available:
            # veryfast: the encoder shares the cores with the model.
            stream = container.add_stream(
                "libx264", rate=rate, options={"preset": "veryfast", "crf": "23"}
            )
        else:
            stream = container.add_stream("mpeg4", rate=rate)
            stream.bit_rate = int(fps * self._even[0] * self._even[1] * 0.2)
        stream.height, stream.width = self._even
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = max(1, round(fps * KEYFRAME_EVERY_S))
        stream.codec_context.colorspace = _ITU_R_601
        return stream

    def _fill(self, buffer: NDArray[np.uint8], image: NDArray[np.uint8]) -> None:
        height, width = self._size
        buffer[:height, :width] = image
        buffer[height:, :width] = image[-1:]
        buffer[:, width:] = buffer[:, width - 1 : width]

    def _run(self) -> None:
        try:
            while (image := self._take()) is not None:
                self._encode(image)
                with self._changed:
                    self._spare.append(image)
            if self._written:
                self._container.mux(self._stream.encode())
            self._container.close()
        except Exception as error:  # noqa: BLE001 - thread boundary: write() and close() raise it
            self._abandon(error)

    def _take(self) -> NDArray[np.uint8] | None:
        """The next pending picture; None once the sink is closing and none is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closing)
            if not self._pending:
                return None
            image = self._pending.popleft()
            self._changed.notify_all()
            return image

    def _encode(self, image: NDArray[np.uint8]) -> None:
        rgb = self._av.VideoFrame.from_numpy_buffer(image, format="rgb24")
        frame = self._reformat(rgb, format="yuv420p", dst_colorspace="ITU601")
        frame.colorspace = _ITU_R_601  # x264 takes the tag from the frame; PyAV sets it from 17 on
        self._container.mux(self._stream.encode(frame))

    def _abandon(self, error: Exception) -> None:
        """Note why encoding ended; keep what the file already holds, if anything plays."""
        with suppress(OSError, self._av.FFmpegError):  # the first error is the one to tell
            self._container.close()
        kept = f"; what plays is in {self._partial.name}" if self._plays() else ""
        refusal = self._refusal(f"to go on{kept}", error)
        refusal.__cause__ = error
        if not kept:  # else a disk that stays full is littered with names
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)
        with self._changed:
            self._error = refusal
            self._pending.clear()
            self._changed.notify_all()

    def _plays(self) -> bool:
        """Whether the part has a picture that can be decoded."""
        try:
            with self._av.open(str(self._partial)) as part:
                return next(part.decode(video=0), None) is not None
        except (OSError, ValueError, IndexError, self._av.FFmpegError):
            return False

    def _refusal(self, expected: str, error: Exception) -> VideoError:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        return VideoError(
            f"write video {self._shown}",
            expected=expected,
            got=reason.replace("\n", " "),
            advice="Check the folder, its permissions and the free space",
        )
