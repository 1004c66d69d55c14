"""Files of an emulated tree, replaced whole and never rewritten in place.

A reader of sysfs never meets half a value, and the real jetson-stats service ends its sampling
at the first empty file. So a new value is written beside the tree and renamed over the old one.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

_STAGING = ".new"  # on the same file system, and in no folder that a reader lists


def memory_folder(name: str = "edgert-board-", *, place: Path = Path("/dev/shm")) -> Path:
    """Make a folder for a tree, in memory where that is possible.

    On a disk's file system a rename over a file makes the system write that file out: with ext4 a
    refresh then takes ten times as long. A tree has a program in it (nvpmodel), so memory that
    nothing may be started from is no place for it.
    """
    writable = place.is_dir() and os.access(place, os.W_OK)
    usable = writable and not os.statvfs(place).f_flag & os.ST_NOEXEC
    return Path(tempfile.mkdtemp(prefix=name, dir=place if usable else None))


class TreeFiles:
    """Writer of one tree. Paths are relative to its folder: "sys/class/hwmon/hwmon1/name".

    A file may be held: then `put` leaves it as it is until it is let go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._staging = folder / _STAGING
        self._staging.mkdir(parents=True, exist_ok=True)
        self._texts: dict[str, str] = {}
        self._held: set[str] = set()
        self._folders: set[str] = set()
        self._count = 0

    @property
    def paths(self) -> list[str]:
        """Every file that was ever put."""
        return list(self._texts)

    def put(self, path: str, value: object, *, end: str = "\n") -> None:
        """Give a file a new value; nothing happens where it is the old one, or it is held."""
        text = f"{value}{end}"
        if path in self._held or self._texts.get(path) == text:
            return
        self._replace(path, text.encode())
        self._texts[path] = text

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, its target relative to the tree's folder."""
        place = self._place(path)
        relative = os.path.relpath(self.folder / target, place.parent)
        self._relink(place, relative)

    def unreadable(self, path: str) -> None:
        """Let every read of a file fail with EIO, and hold it.

        No ordinary file does that; the memory of the reading process at address 0 does.
        """
        self._relink(self._place(path), "/proc/self/mem")
        self._forget(path)

    def empty(self, path: str) -> None:
        """Replace a file by an empty one; the next `put` writes it again."""
        self._replace(path, b"")
        self._texts[path] = ""

    def remove(self, path: str) -> None:
        """Take a file away, and hold it."""
        with contextlib.suppress(FileNotFoundError):
            self._place(path).unlink()
        self._forget(path)

    def hold(self, path: str) -> None:
        """Keep a file as it is."""
        self._held.add(path)

    def let_go(self, path: str) -> None:
        """Let `put` write a file again; what it holds now counts as unknown."""
        self._held.discard(path)
        self._texts[path] = "\0let go"

    def text(self, path: str) -> str:
        """What a file holds now, whoever wrote it; "" where it can't be read."""
        try:
            return (self.folder / path).read_text(encoding="utf-8")
        except OSError:
            return ""

    def script(self, path: str, text: str) -> None:
        """Write a program."""
        self.put(path, text, end="")
        (self.folder / path).chmod(0o755)

    def close(self) -> None:
        """Take the staging folder away; the tree stays."""
        shutil.rmtree(self._staging, ignore_errors=True)

    def _place(self, path: str) -> Path:
        place = self.folder / path
        parent = path.rpartition("/")[0]
        if parent not in self._folders:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(parent)
        return place

    def _forget(self, path: str) -> None:
        self._texts[path] = "\0gone"
        self._held.add(path)

    def _replace(self, path: str, content: bytes) -> None:
        place = self._place(path)
        staged = self._staged()
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
        os.replace(staged, place)

    def _relink(self, place: Path, target: str) -> None:
        staged = self._staged()
        os.symlink(target, staged)
        os.replace(staged, place)

    def _staged(self) -> str:
        self._count += 1
        return f"{self._staging}/{self._count}"
