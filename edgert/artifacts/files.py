"""Files that are whole or not there: hashes, atomic writes, folders moved in place."""

import contextlib
import ctypes
import ctypes.util
import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgert.artifacts.lock import lock
from edgert.errors import ArtifactError, EdgertError
from edgert.records import Record

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE_ROOM_BYTES = 1 << 20
_SHORT_WRITE = re.compile(r"requested and \d+ written")  # numpy's, which has no errno
_FOLDER_MODE = 0o755  # less what the umask takes
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
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


def write_record(path: Path, record: Record) -> None:
    """Write a record as indented JSON, whole or not at all; makes the folder.

    Raises:
        ArtifactError: The disk is full or the folder can't be written to; the old file stays.
    """
    make_folder(path.parent)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(record), indent=2))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        ArtifactError: It can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _write_error(path, error) from error


def disk_error(error: OSError) -> ArtifactError | None:
    """What an operator can act on in an error of the operating system; None where it is a fault.

    For the end of a process: what knows its file says more.
    """
    if error.errno in (*_DISK_TROUBLE, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return _write_error(Path(os.fsdecode(error.filename or "a file")), error)
    return None


def put_aside(file: Path) -> str:
    """Rename what is damaged or not used, since another will be written there; in words."""
    aside = file.with_name(f"{file.name}.refused")
    try:
        file.replace(aside)
    except OSError as error:
        return f"It could not be put aside ({(error.strerror or str(error)).lower()})."
    return f"It lies in {aside} now."


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target` whole when the block ends, or never.

    Whatever stood at `target` is replaced in one step. What a killed process left half-filled
    is swept away first; a live one holding the lock is an error. Whatever the umask, nobody else
    can enter the folder while it is filled or write to anything in it afterwards.

    Raises:
        ArtifactError: Another process fills the same folder, or the disk is full.
    """
    try:
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        lock_file = (target.parent / f".{target.name}.lock").open("w")
    except OSError as error:
        raise _write_error(target, error) from error
    with lock_file:
        lock(
            lock_file,
            f"write {target}",
            expected="no other process writing it",
            advice="Wait for it to end, then start again",
        )
        _sweep(target)
        staging = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            mode = _make_private(staging)
            yield staging
            _close_to_others(staging, mode)
            _sync(staging)
            _swap_in(staging, target)
        except OSError as error:
            if error.errno in _DISK_TROUBLE:
                raise _write_error(target, error) from error
            if _SHORT_WRITE.search(str(error)):
                raise _write_error(target, _full_disk()) from error
            raise
        except EdgertError as error:
            if not _has_little_room(staging):
                raise
            # A runtime that writes files by itself seldom says that the disk was full.
            raise _write_error(target, _full_disk()) from error
        finally:
            _remove(staging)


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


def _make_private(staging: Path) -> int:
    """Make a folder that only this user enters; returns the mode it would have, by the umask."""
    staging.mkdir(mode=_FOLDER_MODE)
    mode = stat.S_IMODE(staging.stat().st_mode)
    staging.chmod(stat.S_IRWXU)
    return mode


def _close_to_others(staging: Path, mode: int) -> None:
    """Take others' write permission from all in a folder, and only then let them in.

    Whoever had a file open for writing could go on with it, so nobody is in before.
    """
    for path in staging.rglob("*"):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS_WRITE)
    staging.chmod(mode)


def _remove(path: Path) -> None:
    """Remove a folder if it is there, or a link in its place but not what it leads to."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(target: Path) -> None:
    for leftover in target.parent.glob(f".{target.name}.*.tmp"):
        _remove(leftover)
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


def _has_little_room(folder: Path) -> bool:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize < _LITTLE_ROOM_BYTES


def _full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
