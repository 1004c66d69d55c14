"""What is wrong with a video, counted while it is decoded and told in one line."""

from pathlib import Path

_LONG_SIZE = 1  # in place of a box's size: the size follows, in eight bytes


class Damage:
    """Takes in what one pass over a video meets; says nothing of a sound one."""

    def __init__(self) -> None:
        self._frames = self._packets = 0
        self._places = self._near = 0
        self._reason = ""
        self._end_s: float | None = None

    @property
    def found(self) -> bool:
        """Whether any place was noted."""
        return self._places > 0

    @property
    def places(self) -> int:
        """How many were noted."""
        return self._places

    def see_packet(self) -> None:
        """Count a packet; it holds a frame, which the decoder may hand out much later."""
        self._packets += 1

    def see_frame(self, time_s: float | None) -> None:
        """Count a decoded frame, at its time in the video."""
        self._frames += 1
        if time_s is not None:
            self._end_s = time_s if self._end_s is None else max(self._end_s, time_s)

    def add(self, reason: str = "") -> None:
        """Note a place that could not be decoded, or only in part."""
        if not self._places:
            self._near = max(self._packets - 1, self._frames, 0)
        self._places += 1
        self._reason = reason or self._reason

    def text(self, declared_end_s: float | None) -> str:
        """The damage, without the video's name; empty where there is none.

        Args:
            declared_end_s: When the video should end by its own header, if that says so.
        """
        notes = []
        if self._places:
            places = "1 place" if self._places == 1 else f"{self._places} places"
            because = f" ({self._reason})" if self._reason else ""
            notes.append(f"damaged in {places}, the first near frame {self._near}{because}")
        end_s = self._end_s
        if end_s is not None and declared_end_s is not None and end_s < declared_end_s - 0.5:
            notes.append(
                f"the last frame is at {end_s:.2f} s of the declared {declared_end_s:.2f} s"
            )
        return "; ".join(notes)


def is_cut_off(path: Path) -> bool:
    """Whether an mp4 file ends inside one of its outermost boxes.

    FFmpeg takes a fragmented file that ends between two frames, or in a fragment's index, for
    complete. A file that ends between two fragments can't be told from a complete one.

    Source:
        ISO/IEC 14496-12, section 4.2: a box begins with its size and its type.
    """
    length, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place < length:
            file.seek(place)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if len(head) >= 8 and not (kind.isascii() and kind.decode().isprintable()):
                return False  # something else hangs on behind the boxes
            if size == _LONG_SIZE:
                size = int.from_bytes(head[8:], "big")
            if len(head) < 8 or place + size > length:
                return True
            if size < 8:  # 0: the rest of the file
                return False
            place += size
    return False
