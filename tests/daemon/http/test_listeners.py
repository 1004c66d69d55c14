"""Sockets: their mode, what lies there already, and who may not listen where."""

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgert.daemon.http.listeners import UnixListener, tcp_listener
from edgert.errors import SettingsError


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_only_owner_and_group_open_the_socket_whatever_the_umask(folder: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        listener = UnixListener(folder / "edgert.sock")
    finally:
        os.umask(before)
    with listener:
        assert stat.S_IMODE((folder / "edgert.sock").stat().st_mode) == 0o660
    assert not (folder / "edgert.sock").exists()


def test_it_never_was_open_to_others(folder: Path, monkeypatch) -> None:
    """The mode at the moment at which it gets its name, before chmod."""
    seen: list[int] = []
    monkeypatch.setattr(
        Path, "chmod", lambda path, mode: seen.append(stat.S_IMODE(path.lstat().st_mode))
    )
    before = os.umask(0)
    try:
        UnixListener(folder / "edgert.sock").close()
    finally:
        os.umask(before)
    assert seen == [0o660]


def test_a_folder_that_is_missing_is_made_for_owner_and_group(folder: Path) -> None:
    with UnixListener(folder / "a" / "b" / "edgert.sock"):
        assert stat.S_IMODE((folder / "a" / "b").stat().st_mode) & 0o007 == 0


def test_a_socket_that_was_left_behind_is_replaced(folder: Path) -> None:
    path = folder / "edgert.sock"
    code = "import sys; from pathlib import Path; import os, signal\n"
    code += "from edgert.daemon.http.listeners import UnixListener\n"
    code += "UnixListener(Path(sys.argv[1])).socket.listen(); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.is_socket()
    with UnixListener(path) as listener:
        listener.socket.listen()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))


def test_a_second_daemon_is_refused_in_one_line(folder: Path) -> None:
    path = folder / "edgert.sock"
    with UnixListener(path) as first:
        first.socket.listen()
        with pytest.raises(SettingsError, match="expected no other daemon there") as caught:
            UnixListener(path)
        assert "\n" not in str(caught.value)
        assert path.is_socket()
    UnixListener(path).close()


def test_one_that_knows_no_lock_is_seen_as_well(folder: Path) -> None:
    path = folder / "edgert.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SettingsError, match="no other daemon"):
            UnixListener(path)
        assert path.is_socket()
    UnixListener(path).close()


def test_of_many_that_start_at_once_one_listens(folder: Path) -> None:
    path, got, errors = folder / "edgert.sock", [], []
    start = threading.Barrier(8)

    def listen() -> None:
        start.wait()
        try:
            got.append(UnixListener(path))
            got[-1].socket.listen()
        except SettingsError as error:
            errors.append(error)

    threads = [threading.Thread(target=listen) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(errors)) == (1, 7)
    got[0].close()


def test_a_file_is_not_removed(folder: Path) -> None:
    path = folder / "edgert.sock"
    path.write_text("mine")
    with pytest.raises(SettingsError, match="got another file"):
        UnixListener(path)
    assert path.read_text() == "mine"


def test_a_socket_that_took_its_place_stays(folder: Path) -> None:
    path = folder / "edgert.sock"
    listener = UnixListener(path)
    keep = folder / "kept"
    path.rename(keep)
    path.write_text("mine")
    listener.close()
    assert path.read_text() == "mine"


def test_a_lock_is_no_way_to_write_elsewhere(folder: Path) -> None:
    (folder / "target").write_text("mine")
    (folder / "edgert.sock.lock").symlink_to(folder / "target")
    with pytest.raises(SettingsError):
        UnixListener(folder / "edgert.sock")


def test_a_path_that_is_too_long_is_told(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"path too long.*short path"):
        UnixListener(folder / ("x" * 120))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.5"])
def test_loopback_needs_no_token(host: str) -> None:
    with tcp_listener(host, 0, token="") as listener:
        assert listener.getsockname()[0].startswith("127.")


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])
@pytest.mark.parametrize(("token", "got"), [("", "got none"), ("short", "got one of 5")])
def test_anything_else_does(host: str, token: str, got: str) -> None:
    with pytest.raises(SettingsError, match=got) as caught:
        tcp_listener(host, 0, token=token)
    assert "daemon.token_file" in str(caught.value)
    assert "short" not in caught.value.got


def test_with_a_token_others_may_connect() -> None:
    with tcp_listener("0.0.0.0", 0, token="x" * 16) as listener:
        assert listener.getsockname()[1] > 0


def test_a_port_in_use_and_a_name_unknown_are_told() -> None:
    with tcp_listener("127.0.0.1", 0, token="") as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError, match="address already in use"):
            tcp_listener("127.0.0.1", port, token="")
    with pytest.raises(SettingsError, match="an address of this machine"):
        tcp_listener("no.such.name.invalid", 0, token="x" * 16)
    with pytest.raises(SettingsError, match="an address of this machine"):
        tcp_listener("192.0.2.1", 0, token="x" * 16)
