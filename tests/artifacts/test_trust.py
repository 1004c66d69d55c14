"""What is refused before a runtime sees any engine, and in which order."""

import os
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.artifacts import BuiltSet, load_built, make_key_pair, sign_manifest, unlisted_files
from edgert.errors import ArtifactError, MissingDependencyError, UntrustedError
from edgert.records import EngineManifest
from tests.artifacts.accounts import BOB, FakeAccounts
from tests.artifacts.built_sets import edit_manifest, make_set

ME = FakeAccounts(user_id=os.getuid(), groups={os.getgid(): {os.getuid()}})
LISTED = ("full.plan", "half.plan", "weights.bin", "timing.cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_set(tmp_path / "built" / "here")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    (tmp_path / "keys").mkdir(mode=0o755)
    make_key_pair(tmp_path / "keys" / "k.pem")
    return tmp_path / "keys" / "k.pem"


def load(folder: Path, **arguments) -> BuiltSet:
    return load_built(folder, accounts=ME, **arguments)


def refused(folder: Path, match: str, kind=UntrustedError, **arguments) -> None:
    with pytest.raises(kind, match=match) as caught:
        load(folder, **arguments)
    assert len(str(caught.value).splitlines()) == 1


def test_a_whole_set_is_opened(folder: Path):
    built = load(folder)
    assert [engine.name for engine in built.manifest.engines] == ["full", "half"]
    assert built.signed_by == ""


# ---------------------------------------------------------------- what was changed


@pytest.mark.parametrize("name", LISTED)
def test_one_changed_byte_is_refused(folder: Path, name: str):
    content = bytearray((folder / name).read_bytes())
    content[5] ^= 1
    (folder / name).write_bytes(content)
    refused(folder, f"{name}: expected sha256 .*… as the manifest states", ArtifactError)


@given(
    name=st.sampled_from(LISTED), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7)
)
def test_no_bit_of_any_file_can_be_changed(tmp_path_factory, name, place, bit):
    folder = make_set(tmp_path_factory.mktemp("bits") / "built" / "here")
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / name).write_bytes(content)
    refused(folder, "expected sha256", ArtifactError)


@pytest.mark.parametrize("size", [0, 10, 100])
def test_a_truncated_plan_is_refused_by_its_size(folder: Path, size: int):
    whole = (folder / "full.plan").read_bytes()
    (folder / "full.plan").write_bytes(whole[:size])
    refused(
        folder, f"expected {len(whole)} bytes as the manifest states, got {size}", ArtifactError
    )


def test_a_missing_file_is_refused(folder: Path):
    (folder / "half.plan").unlink()
    refused(folder, r"half\.plan: .*got no such file or directory", ArtifactError)


def test_hashes_are_left_out_where_nobody_asks_but_sizes_are_not(folder: Path):
    (folder / "weights.bin").write_bytes(b"v" * 99)
    load(folder, verify=False)
    (folder / "full.plan").write_bytes(b"")
    refused(folder, "bytes as the manifest states", ArtifactError, verify=False)


# ---------------------------------------------------------------- what lies elsewhere


@pytest.mark.parametrize(
    "name",
    [
        "../full.plan", "/etc/passwd", "sub/full.plan", "./full.plan", "sub/../full.plan",
        "..", ".", "", "full.plan\n", "full.plan\x00", "full.plan ", "..\\full.plan",
        "\uff0e\uff0e/full.plan", "full\u202enalp.plan", "~root", ".hidden",
    ],
)  # fmt: skip
def test_a_file_that_is_not_plainly_in_the_folder_is_refused(folder: Path, name: str):
    (folder.parent / "full.plan").write_bytes((folder / "full.plan").read_bytes())
    edit_manifest(folder, engine_file=name)
    refused(folder, r"manifest\.json", ArtifactError)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.sig"])
def test_the_manifest_is_no_engine(folder: Path, name: str):
    (folder / name).touch()
    edit_manifest(folder, engine_file=name)
    refused(folder, "expected files of the set, in its own folder")


@pytest.mark.parametrize("name", ["half.plan", "weights.bin", "timing.cache"])
def test_a_file_with_two_meanings_is_refused(folder: Path, name: str):
    edit_manifest(folder, engine_file=name)
    refused(folder, f"expected each file once, got '{name}' 2 times", ArtifactError)


def test_two_engines_of_one_name_are_refused(folder: Path):
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=EngineManifest)
    alike = [msgspec.structs.replace(engine, name="same") for engine in manifest.engines]
    edit_manifest(folder, engines=msgspec.to_builtins(alike))
    refused(folder, "expected each configuration once, got 'same' 2 times", ArtifactError)


@pytest.mark.parametrize("name", [*LISTED, "manifest.json"])
@pytest.mark.parametrize("place", ["beside", "outside"])
def test_a_link_is_refused_wherever_it_leads(folder: Path, name: str, place: str, tmp_path: Path):
    target = (folder if place == "beside" else tmp_path) / "target"
    (folder / name).rename(target)
    (folder / name).symlink_to(target)
    refused(folder, f"{name}: expected a file of the set itself, got a link")


def test_a_linked_folder_is_refused(folder: Path):
    link = folder.parent / "link"
    link.symlink_to(folder)
    refused(link, "link: expected a folder, got a link")


def test_a_dangling_link_is_refused(folder: Path):
    (folder / "full.plan").unlink()
    (folder / "full.plan").symlink_to(folder / "none")
    refused(folder, "got a link")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_without_reading_it(folder: Path, make):
    """A pipe without a writer would never end."""
    (folder / "full.plan").unlink()
    make(folder / "full.plan")
    refused(folder, "expected a file of the set itself, got ")


# ---------------------------------------------------------------- who may write


@pytest.mark.parametrize("name", [*LISTED, "manifest.json"])
@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_a_file_that_everyone_may_write_to_is_refused(folder: Path, name: str, mode: int):
    (folder / name).chmod(mode)
    refused(folder, f"{name}: .*everyone may write to")


@pytest.mark.parametrize("where", ["", ".."])
def test_folders_that_everyone_may_write_to_are_refused(folder: Path, where: str):
    (folder / where).resolve().chmod(0o777)
    refused(folder, "everyone may write to")


def test_a_sticky_folder_above_is_as_good_as_one_s_own(folder: Path):
    folder.parent.chmod(0o1777)
    load(folder)
    folder.chmod(0o1777)
    refused(folder, "everyone may write to")


def test_a_private_group_may_write_and_a_shared_one_may_not(folder: Path):
    """What Ubuntu's umask of 002 makes."""
    for path in (folder, folder.parent, *folder.iterdir()):
        path.chmod(path.stat().st_mode | 0o020)
    load(folder)
    shared = FakeAccounts(user_id=os.getuid(), groups={os.getgid(): {os.getuid(), BOB}})
    with pytest.raises(UntrustedError, match=r"the group .* may write to"):
        load_built(folder, accounts=shared)


def test_a_set_of_another_user_is_refused(folder: Path):
    me = ME
    if me.user_id == 0:
        os.chown(folder / "half.plan", BOB, -1)
    else:
        me = FakeAccounts(user_id=me.user_id + 1)
    with pytest.raises(UntrustedError, match="one that belongs to"):
        load_built(folder, accounts=me)


def test_where_one_stands_changes_nothing(folder: Path, monkeypatch):
    """A path of one name has no visible parent, and is checked all the same."""
    monkeypatch.chdir(folder.parent)
    load(Path("here"))
    folder.parent.chmod(0o777)
    refused(Path("here"), "everyone may write to")
    folder.parent.chmod(0o755)
    monkeypatch.chdir(folder)
    load(Path())


# ---------------------------------------------------------------- manifests


@pytest.mark.parametrize(("number", "age"), [(1, "an older"), (0, "an older"), (9, "a newer")])
def test_a_manifest_of_another_format_is_built_again(folder: Path, number: int, age: str):
    edit_manifest(folder, format=number, engines="of another form")
    line = f"expected a manifest of format 2, got format {number}, of {age} edgert. Build it again"
    refused(folder, line, ArtifactError)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "expected JSON"),
        (b"{", "expected JSON"),
        (b'{"format": "\xff"}', "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b"[]", "expected object"),
        (b"{}", "expected the field 'format'"),
        (b'{"format": true}', "format: expected"),
        (b'{"format": "2"}', "format: expected"),
        (b'{"format": 2, "engine_host_code_allowed": true}', "unknown field"),
    ],
)
def test_a_damaged_manifest_is_one_line(folder: Path, content: bytes, line: str):
    (folder / "manifest.json").write_bytes(content)
    refused(folder, line, ArtifactError)


@given(content=st.binary(max_size=300))
def test_whatever_a_manifest_holds_it_is_refused_in_one_line(tmp_path_factory, content: bytes):
    folder = make_set(tmp_path_factory.mktemp("any") / "built" / "here")
    (folder / "manifest.json").write_bytes(content)
    refused(folder, ".", ArtifactError)


def test_no_set_says_how_to_get_one(tmp_path: Path):
    refused(tmp_path / "none", r"got no such folder\. Build it: edgert build", ArtifactError)
    refused(tmp_path, "got no manifest", ArtifactError)


def test_a_folder_that_is_closed_to_us_is_one_line(folder: Path):
    folder.chmod(0)
    try:
        if os.access(folder / "manifest.json", os.R_OK):
            pytest.skip("no folder is closed to this user")
        refused(folder, "got permission denied", ArtifactError)
    finally:
        folder.chmod(0o755)


def test_a_manifest_that_is_a_folder_or_a_loop_is_one_line(folder: Path):
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()
    refused(folder, "expected a file of the set itself, got a folder")
    (folder / "manifest.json").rmdir()
    (folder / "manifest.json").symlink_to(folder / "manifest.json")
    refused(folder, "got a link")


# ---------------------------------------------------------------- signatures


def test_a_signed_set_is_opened_and_says_by_whom(folder: Path, private: Path):
    sign_manifest(folder, private)
    built = load(folder, trusted_keys=[private.with_name("k.pub.pem")])
    assert built.signed_by == "k.pub.pem"
    assert unlisted_files(folder, built.manifest) == []


def test_without_trusted_keys_a_signature_is_not_looked_at(folder: Path):
    (folder / "manifest.json.sig").write_text("nonsense")
    assert load(folder).signed_by == ""


def test_an_unsigned_set_is_refused(folder: Path, private: Path):
    refused(folder, "expected a signature by a trusted key, got none",
            trusted_keys=[private.with_name("k.pub.pem")])  # fmt: skip


def test_another_key_is_refused(folder: Path, private: Path):
    make_key_pair(private.with_name("other.pem"))
    sign_manifest(folder, private.with_name("other.pem"))
    refused(folder, "got one by another key", trusted_keys=[private.with_name("k.pub.pem")])


def test_a_manifest_that_was_changed_with_its_files_is_refused(folder: Path, private: Path):
    """Hashes alone don't help against someone who writes them anew."""
    sign_manifest(folder, private)
    edit_manifest(folder, built_for={"runtime": "tensorrt 10.3.0.30", "device": "yours"})
    load(folder)
    refused(folder, "was changed after it", trusted_keys=[private.with_name("k.pub.pem")])


def test_a_signed_manifest_still_has_its_files_compared(folder: Path, private: Path):
    sign_manifest(folder, private)
    (folder / "weights.bin").write_bytes(b"v" * 99)
    refused(folder, "expected sha256", ArtifactError,
            trusted_keys=[private.with_name("k.pub.pem")])  # fmt: skip


@pytest.mark.parametrize("kind", ["link", "folder", "torn", "huge", "writable"])
def test_a_spoilt_signature_is_refused(folder: Path, private: Path, tmp_path: Path, kind: str):
    file = sign_manifest(folder, private)
    line = file.read_bytes()
    if kind == "writable":
        file.chmod(0o666)
    else:
        file.unlink()
    if kind == "link":
        (tmp_path / "sig").write_bytes(line)
        file.symlink_to(tmp_path / "sig")
    elif kind == "folder":
        file.mkdir()
    elif kind in ("torn", "huge"):
        file.write_bytes(line[:50] if kind == "torn" else line * 10_000)
    refused(folder, "expected", trusted_keys=[private.with_name("k.pub.pem")])


def test_no_engine_is_touched_before_the_signature_holds(folder: Path, private: Path):
    """With every engine gone the signature is still what is told."""
    for name in LISTED:
        (folder / name).unlink()
    refused(folder, "got none", trusted_keys=[private.with_name("k.pub.pem")])
    refused(folder, "no such file", ArtifactError)


def test_a_trusted_key_that_others_may_exchange_is_refused(folder: Path, private: Path):
    sign_manifest(folder, private)
    private.with_name("k.pub.pem").chmod(0o666)
    refused(folder, r"k\.pub\.pem: .*everyone may write to",
            trusted_keys=[private.with_name("k.pub.pem")])  # fmt: skip


def test_keys_that_are_asked_for_need_the_package(folder: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "k.pub.pem").write_text("never read")
    for name in [*(n for n in sys.modules if n.startswith("cryptography")), "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    refused(folder, r"to check signatures.*edgert\[sign\]", MissingDependencyError,
            trusted_keys=[tmp_path / "k.pub.pem"])  # fmt: skip
    load(folder)  # nobody who doesn't ask for signatures needs it


# ---------------------------------------------------------------- what else lies there


def test_files_that_no_manifest_knows_are_told_and_not_read(folder: Path):
    (folder / "plugin.so").write_bytes(b"\x7fELF")
    (folder / "sub").mkdir()
    (folder / "sub").chmod(0o777)
    assert unlisted_files(folder, load(folder).manifest) == ["plugin.so", "sub"]
