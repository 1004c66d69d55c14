"""What is checked of a set before any file of it is handed to a runtime, and in which order.

    folder       a real one; neither it nor the folder above may be written to by others
    manifest     a real file that others may not write to; its bytes are read once
    signature    of these bytes, where trusted keys are asked for
    files        each listed once, lies in the folder itself, is no link, of the stated size,
                 not written to by others, and has the hash that the manifest states

To load an engine may be to run its code, so nothing of it is read before the checks above it.
"""

import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgert.artifacts.files import sha256_from_file
from edgert.artifacts.keys import check_trusted_keys
from edgert.artifacts.permissions import Accounts, refuse_other_writers, status_of
from edgert.artifacts.signature import MANIFEST, SIGNATURE, verify_signature
from edgert.errors import ArtifactError, UntrustedError
from edgert.records import EngineManifest

_SIGNATURE_BYTES = 512  # a whole one has 209
_AGAIN = "Build the set again: edgert build FAMILY"


def check_folder(path: Path, accounts: Accounts) -> None:
    """Refuse a folder in which others may exchange files, or which they may exchange whole.

    Raises:
        UntrustedError: It is a link, or others may write to it or to the folder above.
    """
    if not stat.S_ISDIR(status_of(path).st_mode):
        raise UntrustedError(
            f"open {path}",
            expected="a folder",
            got="a link" if path.is_symlink() else "something else",
            advice="Name the folder that it leads to, or copy the set there",
        )
    refuse_other_writers(path, accounts)
    refuse_other_writers(path.absolute().parent, accounts, sticky=True)


def read_file(path: Path, accounts: Accounts, *, at_most_bytes: int = -1) -> bytes:
    """The content of a real file that others may not write to.

    Raises:
        UntrustedError: It is a link, or others may write to it.
        ArtifactError: It can't be read.
    """
    _check_real(path)
    refuse_other_writers(path, accounts)
    try:
        with path.open("rb") as file:
            return file.read(at_most_bytes)
    except OSError as error:
        raise ArtifactError(
            f"read {path}",
            expected="a readable file",
            got=(error.strerror or str(error)).lower(),
            advice="Check its permissions, or build the set again",
        ) from error


def check_signature(
    path: Path, manifest: bytes, trusted_keys: Sequence[Path], accounts: Accounts
) -> str:
    """Compare the signature beside a manifest with the trusted keys.

    Returns:
        The file name of the key that it is signed by; "" where no keys are asked for.

    Raises:
        UntrustedError: As `verify_signature`, or a trusted key may be written to by others.
    """
    if not trusted_keys:
        return ""
    check_trusted_keys(trusted_keys, accounts)
    file = path / SIGNATURE
    signature = None
    if file.exists() or file.is_symlink():
        signature = read_file(file, accounts, at_most_bytes=_SIGNATURE_BYTES)
    return verify_signature(manifest, signature, trusted_keys, subject=f"open {path}").name


def check_files(
    path: Path, manifest: EngineManifest, accounts: Accounts, *, hashes: bool = True
) -> None:
    """Check every file that a manifest lists.

    Args:
        path: The set's folder.
        manifest: What lies in it.
        accounts: The system's users and groups.
        hashes: Compare the hashes too, which reads every file.

    Raises:
        UntrustedError: A file lies elsewhere, is a link, or others may write to it.
        ArtifactError: A file is missing, damaged, or listed twice.
    """
    listed = list(listed_files(manifest))
    _refuse_twice(path, [name for name, _, _ in listed], "file")
    _refuse_twice(path, [engine.name for engine in manifest.engines], "configuration")
    for name, _, size_bytes in listed:
        if Path(name).name != name or name in (MANIFEST, SIGNATURE):
            raise UntrustedError(
                f"open {path / MANIFEST}",
                expected="files of the set, in its own folder",
                got=repr(name),
                advice=_AGAIN,
            )
        _check_real(path / name)
        refuse_other_writers(path / name, accounts)
        _check_size(path / name, size_bytes)
    if hashes:
        for name, digest, _ in listed:
            _check_hash(path / name, digest)


def listed_files(manifest: EngineManifest) -> Iterator[tuple[str, str, int | None]]:
    """Name, hash and, where it is stated, size of every file of a set but the manifest."""
    if manifest.weights is not None:
        yield manifest.weights, manifest.weights_sha256 or "", None
    for name, digest in manifest.carried.items():
        yield name, digest, None
    for engine in manifest.engines:
        yield engine.file, engine.sha256, engine.size_bytes


def unlisted_files(path: Path, manifest: EngineManifest) -> list[str]:
    """What lies in a set's folder and no manifest knows; nothing reads it."""
    known = {MANIFEST, SIGNATURE, *(name for name, _, _ in listed_files(manifest))}
    return sorted(file.name for file in path.iterdir() if file.name not in known)


def _refuse_twice(path: Path, names: list[str], what: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ArtifactError(
                f"open {path / MANIFEST}",
                expected=f"each {what} once",
                got=f"'{name}' {count} times",
                advice=_AGAIN,
            )


def _check_real(path: Path) -> None:
    mode = status_of(path).st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder"}
        raise UntrustedError(
            f"open {path}",
            expected="a file of the set itself",
            got=kinds.get(stat.S_IFMT(mode), "no ordinary file"),
            advice=_AGAIN,
        )


def _check_size(path: Path, stated_bytes: int | None) -> None:
    actual_bytes = status_of(path).st_size
    if stated_bytes is not None and actual_bytes != stated_bytes:
        raise ArtifactError(
            f"open {path}",
            expected=f"{stated_bytes} bytes as the manifest states",
            got=str(actual_bytes),
            advice=_AGAIN,
        )


def _check_hash(path: Path, stated: str) -> None:
    try:
        actual = sha256_from_file(path)
    except OSError as error:
        actual = (error.strerror or "an unreadable file").lower()
    if actual != stated:
        raise ArtifactError(
            f"open {path}",
            expected=f"sha256 {stated[:12]}… as the manifest states",
            got=f"{actual[:12]}…" if len(actual) == 64 else actual,
            advice=_AGAIN,
        )
