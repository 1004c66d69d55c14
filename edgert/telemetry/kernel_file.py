"""Small files of the kernel: kept open, read from their start, and what goes wrong put in words.

A value that can't be had is a `GapError` with its reason; no reader here ever makes a zero of it.
"""

import errno
import grp
import os
from pathlib import Path

# A page: what a file of sysfs has at most, and what is needed of those of procfs.
_MOST_BYTES = 4096

_WORDS = {
    errno.ENOENT: "vanished",
    errno.ENODEV: "vanished",
    errno.ENXIO: "vanished",
    errno.ENODATA: "the sensor is switched off",
    errno.EAGAIN: "not ready, its power domain may be off",
    errno.ETIMEDOUT: "the sensor did not answer in time",
    errno.EIO: "the sensor did not answer",
    errno.EREMOTEIO: "the sensor did not answer",
    errno.EINVAL: "the driver refused",
}


class GapError(Exception):
    """A value that could not be read; the text is the reason, as `TelemetrySample.gaps` has it."""


class KernelFile:
    """One file of sysfs or procfs.

    It is opened once. Files of the kernel are computed when they are read from offset 0, so that
    no seek and no second open is needed; a file that was removed or replaced since (a driver that
    was bound anew, a tree whose files are renamed into place) is opened again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def read(self) -> bytes:
        """What the file holds now.

        Raises:
            GapError: It could not be read, and why.
        """
        try:
            descriptor = self._descriptor
            if descriptor < 0 or os.fstat(descriptor).st_nlink == 0:
                descriptor = self._open()
            return os.pread(descriptor, _MOST_BYTES, 0)
        except OSError as error:
            self.close()
            raise GapError(reason_from_error(error, self.path)) from error

    def number(self) -> int:
        """The whole number that the file holds.

        Raises:
            GapError: It could not be read, was empty or held something else.
        """
        content = self.read()
        try:
            return int(content)
        except ValueError:
            text = content.strip()[:20].decode("ascii", "replace")
            reason = f"no number: {text!r}" if text else "torn read: the file was empty"
            raise GapError(reason) from None

    def text(self) -> str:
        """The file's text without spaces and NULs around it; GapError as in `read`."""
        return self.read().decode("utf-8", "replace").strip(" \n\t\0")

    def _open(self) -> int:
        self.close()
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptor

    def close(self) -> None:
        """Let go of the file; the next read opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def text_of(path: Path) -> str:
    """The text of a file that is read once; "" where it is missing or can't be read."""
    file = KernelFile(path)
    try:
        return file.text()
    except GapError:
        return ""
    finally:
        file.close()


def number_of(path: Path) -> int | None:
    """The number in a file that is read once; None where there is none."""
    file = KernelFile(path)
    try:
        return file.number()
    except GapError:
        return None
    finally:
        file.close()


def reason_from_error(error: OSError, path: Path) -> str:
    """Why a file could not be read, in words; for a lack of permission with what to do."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"permission denied: {permission_advice(path)}"
    if error.errno in _WORDS:
        return _WORDS[error.errno]
    return os.strerror(error.errno or 0).lower()


def permission_advice(path: Path) -> str:
    """What lets this user read the file: one command, with the group where there is one."""
    try:
        status = path.stat()
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        return f"read {path} as root"
    if status.st_mode & 0o040 and group != "root":
        return f"run sudo usermod -aG {group} $USER and log in again, for group {group} of {path}"
    return f"run sudo chmod a+r {path}, of user root and group {group}"
