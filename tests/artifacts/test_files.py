import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts import sha256_from_file, staged_files, staged_folder, write_atomically
from edgert.errors import ArtifactError


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_sha256_is_that_of_hashlib(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    assert sha256_from_file(tmp_path / "f") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_atomic_write_replaces_the_file_and_leaves_nothing_else(tmp_path: Path):
    write_atomically(tmp_path / "f", "one")
    write_atomically(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert names(tmp_path) == {"f"}


def test_atomic_write_into_a_missing_folder_is_one_line(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no such file or directory"):
        write_atomically(tmp_path / "no" / "f", "x")


def test_atomic_write_below_a_file_is_one_line(tmp_path: Path):
    (tmp_path / "f").write_text("x")
    with pytest.raises(ArtifactError, match="not a directory"):
        write_atomically(tmp_path / "f" / "g", "x")


def test_staged_folder_appears_whole(tmp_path: Path):
    target = tmp_path / "set"
    with staged_folder(target) as staging:
        (staging / "a").write_text("a")
        assert not target.exists()
    assert (target / "a").read_text() == "a"
    assert names(tmp_path) == {"set"}


def test_staged_folder_replaces_what_stood_there(tmp_path: Path):
    target = tmp_path / "set"
    for content in ("old", "new"):
        with staged_folder(target) as staging:
            (staging / content).write_text(content)
    assert names(target) == {"new"}
    assert names(tmp_path) == {"set"}


def test_staged_folder_keeps_the_old_set_after_an_error(tmp_path: Path):
    target = tmp_path / "set"
    with staged_folder(target) as staging:
        (staging / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), staged_folder(target) as staging:
        (staging / "a").write_text("half")
        raise ZeroDivisionError
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == {"set"}


def test_full_disk_is_one_line_and_keeps_the_old_set(tmp_path: Path):
    target = tmp_path / "set"
    with staged_folder(target) as staging:
        (staging / "a").write_text("old")
    with pytest.raises(ArtifactError, match="expected room on the disk"), staged_folder(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (target / "a").read_text() == "old"


def test_other_os_errors_are_let_through(tmp_path: Path):
    with pytest.raises(FileNotFoundError), staged_folder(tmp_path / "set"):
        raise FileNotFoundError(errno.ENOENT, "the caller's own")


def test_a_second_writer_is_refused(tmp_path: Path):
    with (
        staged_folder(tmp_path / "set"),
        pytest.raises(ArtifactError, match="no other process"),
        staged_folder(tmp_path / "set"),
    ):
        pass


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path):
    code = (
        "import sys, pathlib\n"
        "from edgert.artifacts import staged_folder\n"
        "with staged_folder(pathlib.Path(sys.argv[1])) as s:\n"
        "    (s / 'half').write_text('x'); print('in', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "set")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == b"in\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "set").exists()
    assert len(names(tmp_path)) == 1  # its half-filled folder
    with staged_folder(tmp_path / "set") as staging:
        (staging / "whole").write_text("x")
    assert names(tmp_path) == {"set"}
    assert names(tmp_path / "set") == {"whole"}


def test_a_set_retired_by_a_process_that_died_comes_back(tmp_path: Path):
    retired = tmp_path / ".set.old"
    retired.mkdir()
    (retired / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), staged_folder(tmp_path / "set"):
        raise ZeroDivisionError
    assert (tmp_path / "set" / "a").read_text() == "old"


def test_the_lock_is_free_again_afterwards(tmp_path: Path):
    with staged_folder(tmp_path / "set"):
        pass
    with (tmp_path / ".set.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_staged_files_move_in_together_or_not_at_all(tmp_path: Path):
    with staged_files(tmp_path) as staging:
        (staging / "a").write_text("1")
        (staging / "b").write_text("2")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == {"a", "b"}
    with pytest.raises(ZeroDivisionError), staged_files(tmp_path) as staging:
        (staging / "c").write_text("3")
        raise ZeroDivisionError
    assert names(tmp_path) == {"a", "b"}


def test_staged_files_into_a_missing_folder_is_one_line(tmp_path: Path):
    with (
        pytest.raises(ArtifactError, match="folder that can be written"),
        staged_files(tmp_path / "no"),
    ):
        pass


@pytest.fixture
def umask():
    """Sets the process's umask, and sets it back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o077])
def test_nobody_else_can_write_to_a_staged_folder_whatever_the_umask(
    tmp_path: Path, umask, mask: int
):
    umask(mask)
    target = tmp_path / "built" / "set"
    with staged_folder(target) as staging:
        assert staging.stat().st_mode & 0o777 == 0o700  # nobody comes in before it is whole
        (staging / "a").write_text("a")
        (staging / "sub").mkdir()
        (staging / "sub" / "b").write_text("b")
    for path in (target.parent, target, *target.rglob("*")):
        assert path.stat().st_mode & 0o022 == 0, path
        assert path.stat().st_mode & 0o700 & ~mask >= 0o600 & ~mask
    assert target.stat().st_mode & 0o777 == 0o755 & ~mask


def test_a_link_in_a_staged_folder_keeps_what_it_leads_to_as_it_is(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o666)
    with staged_folder(tmp_path / "set") as staging:
        (staging / "link").symlink_to(outside)
    assert outside.stat().st_mode & 0o777 == 0o666


def test_a_link_in_the_target_s_place_is_replaced_and_its_target_stays(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "old").touch()
    (tmp_path / "set").symlink_to(tmp_path / "real")
    with staged_folder(tmp_path / "set") as staging:
        (staging / "new").touch()
    assert names(tmp_path) == {"set", "real"}
    assert not (tmp_path / "set").is_symlink()
    assert names(tmp_path / "set") == {"new"}
    assert names(tmp_path / "real") == {"old"}
