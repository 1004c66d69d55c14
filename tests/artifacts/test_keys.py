import os
import sys
from pathlib import Path

import pytest

from edgert.artifacts import load_private_key, make_key_pair
from edgert.artifacts.keys import check_trusted_keys, load_public_key, raw_key
from edgert.errors import ArtifactError, MissingDependencyError, SettingsError, UntrustedError
from tests.artifacts.accounts import FakeAccounts

pytest.importorskip("cryptography", reason="the extra sign is not installed")

ME = FakeAccounts(user_id=os.getuid())


@pytest.fixture
def umask():
    """Sets the process's umask, and sets it back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o022, 0o000, 0o077])
def test_a_new_private_key_is_only_its_owner_s(tmp_path: Path, umask, mask: int):
    umask(mask)
    public = make_key_pair(tmp_path / "fleet.pem")
    assert public == tmp_path / "fleet.pub.pem"
    assert (tmp_path / "fleet.pem").stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o022 == 0


def test_the_two_keys_belong_together_and_no_two_pairs_are_alike(tmp_path: Path):
    publics = []
    for name in ("a.pem", "b.pem"):
        public = raw_key(load_public_key(make_key_pair(tmp_path / name)))
        assert raw_key(load_private_key(tmp_path / name).public_key()) == public
        publics.append(public)
    assert len(publics[0]) == 32
    assert publics[0] != publics[1]


@pytest.mark.parametrize("there", ["k.pem", "k.pub.pem"])
def test_a_key_that_is_there_is_never_replaced(tmp_path: Path, there: str):
    (tmp_path / there).write_text("mine")
    with pytest.raises(ArtifactError, match=f"{there}: expected a path that is free"):
        make_key_pair(tmp_path / "k.pem")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {there: "mine"}


def test_a_link_in_the_new_key_s_place_is_not_followed(tmp_path: Path):
    (tmp_path / "k.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="a path that is free"):
        make_key_pair(tmp_path / "k.pem")
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_in_a_missing_folder_is_one_line(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no such file or directory"):
        make_key_pair(tmp_path / "no" / "k.pem")


def test_a_private_key_that_others_can_read_does_not_sign(tmp_path: Path):
    make_key_pair(tmp_path / "k.pem")
    (tmp_path / "k.pem").chmod(0o640)
    with pytest.raises(ArtifactError, match=r"only its owner can read, got mode 640.*chmod 600"):
        load_private_key(tmp_path / "k.pem")


def other_keys() -> dict[str, bytes]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    locked = BestAvailableEncryption(b"secret")
    mine, curve = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    pem, pkcs8 = Encoding.PEM, PrivateFormat.PKCS8
    form = PublicFormat.SubjectPublicKeyInfo
    return {
        "text": b"hello",
        "nothing": b"",
        "torn": mine.private_bytes(pem, pkcs8, NoEncryption())[:70],
        "torn public": mine.public_key().public_bytes(pem, form)[:70],
        "locked": mine.private_bytes(pem, pkcs8, locked),
        "curve": curve.private_bytes(pem, pkcs8, NoEncryption()),
        "curve public": curve.public_key().public_bytes(pem, form),
        "private": mine.private_bytes(pem, pkcs8, NoEncryption()),
        "public": mine.public_key().public_bytes(pem, form),
    }


@pytest.mark.parametrize(
    ("kind", "got"),
    [
        ("text", "something else"),
        ("nothing", "something else"),
        ("torn", "something else"),
        ("curve", "something else"),
        ("public", "something else"),
        ("locked", "one with a password"),
    ],
)
def test_what_is_no_private_key_is_one_line(tmp_path: Path, kind: str, got: str):
    (tmp_path / "k.pem").write_bytes(other_keys()[kind])
    (tmp_path / "k.pem").chmod(0o600)
    with pytest.raises(ArtifactError, match=f"ed25519 private key in PEM.*, got {got}"):
        load_private_key(tmp_path / "k.pem")


@pytest.mark.parametrize("kind", ["text", "nothing", "torn public", "curve public", "private"])
def test_what_is_no_public_key_is_one_line_about_the_setting(tmp_path: Path, kind: str):
    (tmp_path / "k.pem").write_bytes(other_keys()[kind])
    with pytest.raises(SettingsError, match=r"engines\.trusted_keys: read .*, got something else"):
        load_public_key(tmp_path / "k.pem")


def test_missing_keys_are_one_line_each(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"trusted_keys: read .*got no such file or directory"):
        load_public_key(tmp_path / "none")
    with pytest.raises(ArtifactError, match="got no such file or directory"):
        load_private_key(tmp_path / "none")


def test_trusted_keys_that_others_may_exchange_are_refused(tmp_path: Path):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    public = make_key_pair(folder / "k.pem")
    check_trusted_keys([public, folder / "none"], ME)
    public.chmod(0o646)
    with pytest.raises(UntrustedError, match=r"k\.pub\.pem: .*everyone may write to"):
        check_trusted_keys([public], ME)
    public.chmod(0o644)
    folder.chmod(0o777)
    with pytest.raises(UntrustedError, match=r"keys: .*everyone may write to"):
        check_trusted_keys([public], ME)


def test_without_the_package_the_line_names_the_extra(tmp_path: Path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"to make keys.*edgert\[sign\]"):
        make_key_pair(tmp_path / "k.pem")
    assert not list(tmp_path.iterdir())
