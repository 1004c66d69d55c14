import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.artifacts import make_key_pair, sign_manifest, verify_signature
from edgert.errors import ArtifactError, SettingsError, UntrustedError

pytest.importorskip("cryptography", reason="the extra sign is not installed")

MANIFEST = b'{"format": 2}'


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "yours"):
        make_key_pair(folder / f"{name}.pem")
    return folder


@pytest.fixture
def signed(tmp_path: Path, keys: Path) -> Path:
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    sign_manifest(tmp_path, keys / "mine.pem")
    return tmp_path


def signature(folder: Path) -> bytes:
    return (folder / "manifest.json.sig").read_bytes()


def verify(keys: Path, content: bytes, line: bytes | None, *names: str) -> Path:
    trusted = [keys / f"{name}.pub.pem" for name in names or ("mine",)]
    return verify_signature(content, line, trusted, subject="open set")


def test_a_signature_by_a_trusted_key_tells_which(signed: Path, keys: Path):
    assert verify(keys, MANIFEST, signature(signed), "yours", "mine") == keys / "mine.pub.pem"


def test_none_is_refused_with_what_to_do(keys: Path):
    with pytest.raises(UntrustedError, match=r"open set: .*, got none.*--sign"):
        verify(keys, MANIFEST, None)


def test_another_key_s_is_refused(signed: Path, keys: Path):
    with pytest.raises(UntrustedError, match=r"got one by another key, [0-9a-f]{12}…"):
        verify(keys, MANIFEST, signature(signed), "yours")


def test_a_manifest_that_was_changed_is_refused(signed: Path, keys: Path):
    with pytest.raises(UntrustedError, match=r"mine\.pub\.pem .*was changed after it"):
        verify(keys, MANIFEST + b" ", signature(signed))


def test_another_key_s_signature_under_a_trusted_key_s_name_is_refused(signed, keys, tmp_path):
    """The key in the line is a claim: what counts is that its signature is valid."""
    honest = signature(signed)
    sign_manifest(tmp_path, keys / "yours.pem")
    word, _, forged = signature(tmp_path).split(b" ")
    line = b" ".join((word, honest.split(b" ")[1], forged))
    with pytest.raises(UntrustedError, match="was changed after it"):
        verify(keys, MANIFEST, line)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: b"",
        lambda line: line[:-1],
        lambda line: line[:100],
        lambda line: line + b"\n",
        lambda line: line.upper(),
        lambda line: b"\xff" + line,
        lambda line: line.replace(b"edgert-ed25519", b"edgert-none"),
    ],
)
def test_a_damaged_signature_is_refused(signed: Path, keys: Path, damage):
    with pytest.raises(UntrustedError, match="got a damaged one"):
        verify(keys, MANIFEST, damage(signature(signed)))


@given(place=st.integers(0, 208), bit=st.integers(0, 7))
def test_no_bit_of_a_signature_can_be_changed(tmp_path_factory, keys, place: int, bit: int):
    folder = tmp_path_factory.mktemp("s")
    (folder / "manifest.json").write_bytes(MANIFEST)
    line = bytearray(sign_manifest(folder, keys / "mine.pem").read_bytes())
    assert len(line) == 209
    line[place] ^= 1 << bit
    with pytest.raises(UntrustedError):
        verify(keys, MANIFEST, bytes(line))


def test_signing_again_replaces_the_signature(signed: Path, keys: Path):
    sign_manifest(signed, keys / "yours.pem")
    assert verify(keys, MANIFEST, signature(signed), "yours", "mine") == keys / "yours.pub.pem"
    assert {p.name for p in signed.iterdir()} == {"manifest.json", "manifest.json.sig"}


def test_the_signature_is_not_for_others_to_write_whatever_the_umask(signed: Path, keys: Path):
    before = os.umask(0)
    try:
        sign_manifest(signed, keys / "mine.pem")
    finally:
        os.umask(before)
    assert (signed / "manifest.json.sig").stat().st_mode & 0o022 == 0


def test_a_folder_without_a_manifest_is_not_signed(tmp_path: Path, keys: Path):
    with pytest.raises(ArtifactError, match=f"sign {tmp_path}: expected a set with manifest"):
        sign_manifest(tmp_path, keys / "mine.pem")
    assert not list(tmp_path.iterdir())


def test_a_trusted_key_that_is_missing_is_told_even_without_a_signature(keys: Path):
    with pytest.raises(SettingsError, match="trusted_keys"):
        verify(keys, MANIFEST, None, "nobody")
