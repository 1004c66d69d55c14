"""Engines that are not as they were built, through the commands that would load them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgert.artifacts import make_key_pair, sign_manifest
from edgert.cli.main import main
from tests.artifacts.built_sets import edit_manifest

RUN = ["run", "tiny", "test://?width=64&height=48&frames=2"]
PROFILE = ["profile", "tiny", "--rounds", "1", "--frame-count", "1", "--frames", RUN[-1]]


@pytest.fixture
def engines(family: Path) -> Path:
    """The set of a built family of one's own."""
    return next(file.parent for file in (family / "built").glob("*/manifest.json"))


@pytest.fixture
def key(engines: Path, monkeypatch) -> Path:
    """A private key whose public key this device trusts."""
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    Path("keys").mkdir(mode=0o755)
    assert main(["keys", "keys/k.pem"]) == 0
    Path("edgert.yaml").write_text("engines: {trusted_keys: [keys/k.pub.pem]}\n")
    return Path("keys/k.pem")


def edit_byte(engines: Path) -> None:
    content = bytearray((engines / "full.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (engines / "full.onnx").write_bytes(content)


def truncate(engines: Path) -> None:
    content = (engines / "full.onnx").read_bytes()
    (engines / "full.onnx").write_bytes(content[: len(content) // 2])


def link(engines: Path) -> None:
    outside = Path("elsewhere.onnx").resolve()
    (engines / "full.onnx").rename(outside)
    (engines / "full.onnx").symlink_to(outside)


def list_outside(engines: Path) -> None:
    shutil.copy(engines / "full.onnx", engines.parent / "full.onnx")
    edit_manifest(engines, engine_file="../full.onnx")


SPOILT: list[tuple[Callable[[Path], object], str]] = [
    (edit_byte, "full.onnx: expected sha256 "),
    (truncate, " bytes as the manifest states, got "),
    (list_outside, "engines[0].file: expected str matching"),
    (link, "full.onnx: expected a file of the set itself, got a link"),
    (lambda s: (s / "full.onnx").chmod(0o666), "got one that everyone may write to"),
    (lambda s: s.chmod(0o777), "got one that everyone may write to"),
    (lambda s: s.parent.chmod(0o777), "got one that everyone may write to"),
    (lambda s: edit_manifest(s, format=1), "got format 1, of an older edgert. Build it again: "),
    (lambda s: (s / "manifest.json").write_text('{"format":'), "expected JSON"),
    (lambda s: (s / "weights.bin").unlink(), "weights.bin: expected a file that can be read"),
]


@pytest.mark.parametrize(("spoil", "line"), SPOILT)
@pytest.mark.parametrize("words", [RUN, PROFILE], ids=["run", "profile"])
def test_spoilt_engines_are_refused_in_one_line(engines: Path, capsys, words, spoil, line: str):
    spoil(engines)
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    assert main(words) == 1
    told = capsys.readouterr()
    [error] = told.err.splitlines()
    assert error.startswith(f"edgert {words[0]}: ")
    assert line in error
    assert not told.out
    assert sorted(Path().rglob("*")) == before  # nothing was begun


@pytest.mark.parametrize(("spoil", "line"), [s for s in SPOILT if s[0] is not SPOILT[6][0]])
def test_building_again_mends_it(engines: Path, capsys, spoil, line: str):
    spoil(engines)
    assert main(["build", "tiny"]) == 0
    assert "built because: " in capsys.readouterr().out
    assert main(PROFILE) == 0
    assert main(RUN) == 0


def test_a_build_under_any_umask_can_be_loaded(engines: Path):
    for mask in (0o000, 0o002, 0o077):
        shutil.rmtree(engines.parent)
        before = os.umask(mask)
        try:
            assert main(["build", "tiny"]) == 0
        finally:
            os.umask(before)
        assert main(PROFILE) == 0


# ---------------------------------------------------------------- signatures


def refused(capsys) -> str:
    """The line of a run that is refused; the settings name the trusted key."""
    capsys.readouterr()
    assert main([*RUN, "--settings", "edgert.yaml"]) == 1
    [error] = capsys.readouterr().err.splitlines()
    return error


def test_a_signed_set_is_profiled_and_run(engines: Path, key: Path):
    sign_manifest(engines, key)
    assert main([*PROFILE, "--settings", "edgert.yaml"]) == 0
    assert main([*RUN, "--settings", "edgert.yaml"]) == 0


def test_an_unsigned_set_is_refused(engines: Path, key: Path, capsys):
    assert "expected a signature by a trusted key, got none" in refused(capsys)


def test_another_s_signature_is_refused(engines: Path, key: Path, capsys):
    make_key_pair(Path("keys/other.pem"))
    sign_manifest(engines, Path("keys/other.pem"))
    assert "got one by another key" in refused(capsys)


def test_a_damaged_signature_is_refused(engines: Path, key: Path, capsys):
    file = sign_manifest(engines, key)
    file.write_bytes(file.read_bytes()[:-30])
    assert "got a damaged one" in refused(capsys)


def test_a_set_that_was_changed_after_it_was_signed_is_refused(engines: Path, key: Path, capsys):
    """Whoever exchanges an engine can write its hash too, and nothing else."""
    sign_manifest(engines, key)
    content = json.loads((engines / "manifest.json").read_text())
    content["engines"][0]["build_s"] = 5
    (engines / "manifest.json").write_text(json.dumps(content))
    assert "was changed after it" in refused(capsys)


def test_a_trusted_key_that_is_none_is_told_as_a_setting(engines: Path, key: Path, capsys):
    sign_manifest(engines, key)
    Path("edgert.yaml").write_text("engines: {trusted_keys: [keys/k.pem]}\n")  # the private one
    assert "settings engines.trusted_keys: read keys/k.pem: expected" in refused(capsys)


def test_keys_are_made_once_and_never_replaced(key: Path, capsys):
    capsys.readouterr()
    secret = key.read_bytes()
    assert main(["keys", str(key)]) == 1
    [error] = capsys.readouterr().err.splitlines()
    assert "a key that is there is never replaced" in error
    assert key.read_bytes() == secret


def test_keys_say_what_each_is_for(engines: Path, capsys):
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    assert main(["keys", "fleet.pem"]) == 0
    told = capsys.readouterr().out
    assert "--sign fleet.pem" in told
    assert "fleet.pub.pem: public" in told
    assert main(["keys", "other.pem", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "private": "other.pem", "public": "other.pub.pem",
    }  # fmt: skip
