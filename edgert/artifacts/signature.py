"""ed25519 signatures of manifests: who built a set, and that nobody changed it since.

`manifest.json.sig` beside a manifest signs its exact bytes, and the manifest holds the hashes of
all files, so the signature covers the set. It is one line: a word, the signer's public key and
the signature, both in hexadecimal. The key in it says whose the signature claims to be; whom to
believe, only the trusted keys say.

A signature doesn't age: an older set by the same key is as good as the newest.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts.files import write_atomically
from edgert.artifacts.keys import load_private_key, load_public_key, raw_key
from edgert.errors import ArtifactError, UntrustedError
from edgert.optional import needs

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
_LINE = re.compile(rb"edgert-ed25519 (?P<key>[0-9a-f]{64}) (?P<signature>[0-9a-f]{128})\n")


def sign_manifest(folder: Path, private_key: Path) -> Path:
    """Sign the manifest of a set; a signature that is there is replaced.

    Args:
        folder: The set, its manifest written.
        private_key: ed25519 in PEM, without a password. `load_private_key` tells before a long
            build whether it will do.

    Returns:
        The signature's file.

    Raises:
        ArtifactError: The key or the manifest can't be used.
        MissingDependencyError: The package cryptography is not installed.
    """
    key = load_private_key(private_key)
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"sign {folder}",
            expected="a set with manifest.json",
            got=(error.strerror or "an unreadable file").lower(),
            advice="Build it: edgert build FAMILY",
        ) from error
    line = f"edgert-ed25519 {raw_key(key.public_key()).hex()} {key.sign(content).hex()}\n"
    write_atomically(folder / SIGNATURE, line)
    (folder / SIGNATURE).chmod(0o644)  # whatever the umask: others may not write to it
    return folder / SIGNATURE


def verify_signature(
    manifest: bytes, signature: bytes | None, trusted_keys: Sequence[Path], *, subject: str
) -> Path:
    """Compare a manifest's signature with the keys that are trusted.

    Args:
        manifest: The manifest's bytes, the same that are parsed.
        signature: Of the file beside it; None where there is none.
        trusted_keys: Public keys in PEM.
        subject: What is opened, for the error's line.

    Returns:
        The trusted key that it is signed by.

    Raises:
        UntrustedError: There is no signature, it is damaged or by another key, or the manifest
            was changed after it was signed.
        SettingsError: A trusted key can't be read.
        MissingDependencyError: The package cryptography is not installed.
    """
    keys = {raw_key(key): (path, key) for path in trusted_keys for key in [load_public_key(path)]}
    if signature is None:
        advice = "Sign it where it is built: edgert build FAMILY --sign KEY.pem"
        raise _refused(subject, "none", advice)
    line = _LINE.fullmatch(signature)
    if line is None:
        raise _refused(subject, "a damaged one", "Build and sign the set again")
    signer = bytes.fromhex(line["key"].decode())
    if signer not in keys:
        advice = "Sign the set with a trusted key, or add this one to engines.trusted_keys"
        raise _refused(subject, f"one by another key, {signer.hex()[:12]}…", advice)
    path, key = keys[signer]
    invalid = needs("cryptography.exceptions", "sign", "to check signatures").InvalidSignature
    try:
        key.verify(bytes.fromhex(line["signature"].decode()), manifest)
    except invalid as error:
        got = f"one by {path.name} that is not of this manifest, which was changed after it"
        raise _refused(subject, got, "Build and sign the set again") from error
    return path


def _refused(subject: str, got: str, advice: str) -> UntrustedError:
    return UntrustedError(subject, expected="a signature by a trusted key", got=got, advice=advice)
