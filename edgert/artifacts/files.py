"""Files that are whole or not there: hashes, atomic writes, folders moved in place."""

import contextlib
import ctypes
import ctypes.util
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgert.errors import ArtifactError, EdgertError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE_ROOM_BYTES = 1 << 20
_DISK_TROUBLE = (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def sha256_from_file(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old one or the new one, never a part.

    Raises:
        ArtifactError: The disk is full or the folder can't be written to; the old file stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # it may never have come to be
            temporary.unlink()
        raise _write_error(path, error) from error


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target` whole when the block ends, or never.

    Whatever stood at `target` is replaced in one step. What a killed process left half-filled
    is swept away first; a live one holding the lock is an error.

    Raises:
        ArtifactError: Another process fills the same folder, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = (target.parent / f".{target.name}.lock").open("w")
    except OSError as error:
        raise _write_error(target, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArtifactError(
                f"write {target}",
                expected="no other process writing it",
                got="one that is at it",
                advice="Wait for it to end, then start again",
            ) from error
        _sweep(target)
        staging = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            staging.mkdir()
            yield staging
            _sync(staging)
            _swap_in(staging, target)
        except OSError as error:
            if error.errno not in _DISK_TROUBLE:
                raise
            raise _write_error(target, error) from error
        except EdgertError as error:
            if _room_bytes(staging) >= _LITTLE_ROOM_BYTES:
                raise
            # A runtime that writes files by itself seldom says that the disk was full.
            raise _write_error(target, OSError(errno.ENOSPC, "a full one")) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def staged_files(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` when the block ends without an error.

    Raises:
        ArtifactError: `folder` is missing or can't be written to, or the disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".edgert-") as name:
            staging = Path(name)
            yield staging
            _sync(staging)
            for file in staging.iterdir():
                file.replace(folder / file.name)
    except OSError as error:
        if error.errno not in (*_DISK_TROUBLE, errno.ENOENT, errno.ENOTDIR):
            raise
        raise _write_error(folder, error) from error


def _sweep(target: Path) -> None:
    for leftover in target.parent.glob(f".{target.name}.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    retired = target.with_name(f".{target.name}.old")
    if retired.exists():
        if target.exists():
            shutil.rmtree(retired, ignore_errors=True)
        else:  # a process died between the two renames below
            retired.rename(target)


def _swap_in(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    if _exchange(staging, target):  # the old folder now has the staging name and is removed
        return
    retired = target.with_name(f".{target.name}.old")
    target.rename(retired)
    staging.rename(target)
    shutil.rmtree(retired, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step where the kernel and the file system can (Linux 3.15)."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    paths = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return bool(renameat2(*paths, _RENAME_EXCHANGE) == 0)


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _room_bytes(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def _write_error(path: Path, error: OSError) -> ArtifactError:
    full = error.errno in _FULL
    return ArtifactError(
        f"write {path}",
        expected="room on the disk" if full else "a folder that can be written to",
        got=(error.strerror or str(error)).lower(),
        advice="Free some space and start again; nothing was replaced"
        if full
        else "Check the path and its permissions; nothing was replaced",
    )
