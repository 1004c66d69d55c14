"""Reading the kernel's files: kept open, followed when they are replaced, failures in words."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.telemetry.kernel_file import (
    GapError,
    KernelFile,
    number_of,
    permission_advice,
    reason_from_error,
    text_of,
)


def reason(file):
    with pytest.raises(GapError) as gap:
        file.number()
    return str(gap.value)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "in1_input"
    path.write_text("5000\n")
    return path


def replace(path, text):
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def test_number_is_read_again_and_again_from_one_open_file(path):
    file = KernelFile(path)
    assert file.number() == 5000
    opened = set(os.listdir("/proc/self/fd"))
    with path.open("r+") as same:  # in place, as a driver's file changes
        same.write("5008\n")
    assert file.number() == 5008
    assert set(os.listdir("/proc/self/fd")) == opened
    file.close()


def test_replaced_file_is_opened_again(path):
    file = KernelFile(path)
    assert file.number() == 5000
    replace(path, "4992\n")
    assert file.number() == 4992
    file.close()


def test_vanished_file_is_a_gap_until_it_is_back(path):
    file = KernelFile(path)
    assert file.number() == 5000
    path.unlink()
    assert reason(file) == "vanished"
    assert reason(file) == "vanished"
    path.write_text("17\n")
    assert file.number() == 17
    file.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "torn read: the file was empty"),
        ("\n", "torn read: the file was empty"),
        ("nan\n", "no number: 'nan'"),
        ("4.5\n", "no number: '4.5'"),
        ("<unsupported>\n", "no number: '<unsupported>'"),
        ("x" * 5000, "no number: 'xxxxxxxxxxxxxxxxxxxx'"),
    ],
)
def test_what_is_no_number_is_a_gap(path, text, words):
    path.write_text(text)
    file = KernelFile(path)
    assert reason(file) == words
    file.close()


def test_sensor_that_fails_is_a_gap_and_closed(tmp_path):
    # The kernel answers a read of this file at 0 with EIO, as a bus without an answer does.
    path = tmp_path / "in1_input"
    path.symlink_to("/proc/self/mem")
    assert reason(KernelFile(path)) == "the sensor did not answer"


@given(st.binary(max_size=60))
def test_any_content_is_a_number_or_a_gap(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(content)
    file = KernelFile(path)
    words = ""
    try:
        assert isinstance(file.number(), int)
    except GapError as gap:
        words = str(gap) or "no reason"
    finally:
        file.close()
    assert "\n" not in words
    assert words != "no reason"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EAGAIN, "not ready, its power domain may be off"),
        (errno.ENODEV, "vanished"),
        (errno.ENODATA, "the sensor is switched off"),
        (errno.EIO, "the sensor did not answer"),
        (errno.EMFILE, "too many open files"),
    ],
)
def test_failures_have_words(path, number, words):
    assert reason_from_error(OSError(number, "x"), path) == words


def test_lack_of_permission_names_group_and_command(path):
    path.chmod(0o640)
    os.chown(path, -1, os.getgid())
    words = reason_from_error(PermissionError(errno.EACCES, "x"), path)
    if os.getgid() == 0:  # being in root's group is no advice
        assert words == (
            f"permission denied: run sudo chmod a+r {path}, of user root and group root"
        )
    assert words.startswith("permission denied: run sudo ")


def test_group_that_may_read_is_the_advice(path):
    path.chmod(0o640)
    try:
        os.chown(path, -1, 1)  # "daemon" everywhere
    except PermissionError:
        pytest.skip("only root can give a file to another group")
    assert "run sudo usermod -aG daemon $USER" in permission_advice(path)


def test_advice_for_a_file_that_is_gone(tmp_path):
    assert permission_advice(tmp_path / "none") == f"read {tmp_path / 'none'} as root"


def test_single_reads_have_no_errors(path, tmp_path):
    assert (number_of(path), number_of(tmp_path / "none")) == (5000, None)
    assert (text_of(path), text_of(tmp_path / "none"), text_of(tmp_path)) == ("5000", "", "")
    path.write_text("word\n")
    assert number_of(path) is None


def test_close_twice(path):
    file = KernelFile(path)
    file.number()
    file.close()
    file.close()
    assert file.number() == 5000
    file.close()
