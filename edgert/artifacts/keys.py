"""ed25519 keys in PEM files: made, and read for signing and for checking signatures."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgert.artifacts.permissions import Accounts, refuse_other_writers
from edgert.errors import ArtifactError, SettingsError
from edgert.optional import needs

_AT_MOST_BYTES = 1 << 16  # of a key's file
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_key_pair(private: Path) -> Path:
    """Write a new private key, which only its owner can read, and its public key beside it.

    Args:
        private: The file to write, "fleet.pem"; the public key becomes "fleet.pub.pem".

    Returns:
        The public key's file.

    Raises:
        ArtifactError: One of the two is there already, or can't be written.
        MissingDependencyError: The package cryptography is not installed.
    """
    ed25519, serialization = _vendor("to make keys")
    key = ed25519.Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = private.with_name(f"{private.stem}.pub.pem")
    _write_new(private, secret, mode=0o600)
    try:
        _write_new(public, key.public_key().public_bytes(pem, form), mode=0o644)
    except ArtifactError:
        private.unlink()
        raise
    return public


def load_private_key(path: Path) -> Any:
    """An ed25519 private key, without a password, that only its owner can read.

    Raises:
        ArtifactError: It is something else, or others can read it.
        MissingDependencyError: The package cryptography is not installed.
    """
    ed25519, serialization = _vendor("to sign")
    content = _read(path, expected="a private key")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        raise ArtifactError(
            f"read {path}",
            expected="a private key that only its owner can read",
            got=f"mode {mode:o}",
            advice=f"Make a new one, or, if nobody else read it: chmod 600 {path}",
        )
    got = "something else"
    try:
        key = serialization.load_pem_private_key(content, password=None)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key
    except TypeError:
        got = "one with a password"
    except (ValueError, _unsupported()):
        pass
    raise ArtifactError(
        f"read {path}",
        expected="an ed25519 private key in PEM, without a password",
        got=got,
        advice="Make one: edgert keys NEW.pem",
    )


def load_public_key(path: Path) -> Any:
    """An ed25519 public key that the settings name.

    Raises:
        SettingsError: It is missing, or something else.
        MissingDependencyError: The package cryptography is not installed.
    """
    ed25519, serialization = _vendor("to check signatures")
    got = "something else"
    try:
        key = serialization.load_pem_public_key(_read(path, expected="a public key"))
        if isinstance(key, ed25519.Ed25519PublicKey):
            return key
    except ArtifactError as error:
        got = error.got
    except (ValueError, _unsupported()):
        pass
    raise SettingsError(
        f"settings engines.trusted_keys: read {path}",
        expected="an ed25519 public key in PEM",
        got=got,
        advice="Name the .pub.pem that edgert keys wrote",
    )


def raw_key(public_key: Any) -> bytes:
    """The 32 bytes of a public key."""
    _, serialization = _vendor("to check signatures")
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return bytes(public_key.public_bytes(*raw))


def check_trusted_keys(trusted_keys: Sequence[Path], accounts: Accounts) -> None:
    """Refuse keys that others may exchange; one that can't be read is left to `load_public_key`.

    Raises:
        UntrustedError: Others may write to a key or to its folder.
    """
    for path in trusted_keys:
        if os.path.exists(path):  # no error where a folder on the way is closed
            refuse_other_writers(path, accounts)
            refuse_other_writers(path.absolute().parent, accounts, sticky=True)


def _read(path: Path, *, expected: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_AT_MOST_BYTES)
    except OSError as error:
        raise ArtifactError(
            f"read {path}",
            expected=expected,
            got=(error.strerror or "an unreadable file").lower(),
            advice="Check the path",
        ) from error


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that must not be there yet; it never has a wider mode than this."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise ArtifactError(
            f"write {path}",
            expected="a path that is free",
            got="a file",
            advice="Name another; a key that is there is never replaced",
        ) from error
    except OSError as error:
        raise _write_error(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _write_error(path, error) from error


def _write_error(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"write {path}",
        expected="a folder that can be written to",
        got=(error.strerror or str(error)).lower(),
        advice="Check the path and its permissions",
    )


def _vendor(purpose: str) -> tuple[Any, Any]:
    primitives = "cryptography.hazmat.primitives"
    return (
        needs(f"{primitives}.asymmetric.ed25519", "sign", purpose),
        needs(f"{primitives}.serialization", "sign", purpose),
    )


def _unsupported() -> type[Exception]:
    error: type[Exception] = needs(
        "cryptography.exceptions", "sign", "to read keys"
    ).UnsupportedAlgorithm
    return error
