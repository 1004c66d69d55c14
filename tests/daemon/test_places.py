"""Where a daemon lives, that it lives there alone, and that its secrets are secrets."""

from pathlib import Path

import pytest

from edgert.daemon.places import claim_state, find_places, read_secret, read_token
from edgert.errors import ArtifactError, SettingsError
from edgert.settings import DaemonSettings, SystemdVariables


def test_settings_then_the_manager_then_the_user(tmp_path: Path):
    managed = SystemdVariables(
        runtime_directory="/run/edgert", state_directory="/var/lib/edgert",
        user_runtime_directory="/run/user/1", user_state_directory="/u/.state",
    )  # fmt: skip
    set_ = DaemonSettings(socket="/s/e.sock", state_dir="/s/state")
    assert find_places(set_, managed) == (Path("/s/e.sock"), Path("/s/state"))
    assert find_places(DaemonSettings(), managed) == (
        Path("/run/edgert/edgert.sock"),
        Path("/var/lib/edgert"),
    )
    user = managed._replace(runtime_directory="", state_directory="")
    assert find_places(DaemonSettings(), user) == (
        Path("/run/user/1/edgert.sock"),
        Path("/u/.state/edgert"),
    )
    bare = find_places(DaemonSettings(), SystemdVariables())
    assert bare.socket.parent == bare.state == Path.home() / ".local" / "state" / "edgert"


def test_a_socket_s_path_has_an_end():
    with pytest.raises(SettingsError, match="at most 107 bytes"):
        find_places(DaemonSettings(socket="/" + "x" * 120), SystemdVariables())


def test_a_second_daemon_is_refused_and_a_third_after_the_first_is_not(tmp_path: Path):
    first = claim_state(tmp_path / "a" / "state")
    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700
    with pytest.raises(ArtifactError, match="no other daemon with this state folder"):
        claim_state(tmp_path / "a" / "state")
    first.close()
    claim_state(tmp_path / "a" / "state").close()


def test_a_folder_that_can_not_be(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="folder that can be written to"):
        claim_state(tmp_path / "file" / "state")


def secret(tmp_path: Path, text: str, mode: int = 0o600) -> str:
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def test_a_secret_is_its_first_line(tmp_path: Path):
    file = secret(tmp_path, "  0123456789abcdef0  \nnot this\n")
    assert read_token(DaemonSettings(token_file=file)) == "0123456789abcdef0"
    # Blanks may belong to a password.
    assert read_secret(file, setting="mqtt.password_file") == "  0123456789abcdef0  "
    assert read_secret("", setting="mqtt.password_file") == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_secret_that_others_may_read_is_none(tmp_path: Path, mode: int):
    file = secret(tmp_path, "0123456789abcdef0", mode)
    with pytest.raises(SettingsError, match=f"got mode {mode:04o}") as caught:
        read_token(DaemonSettings(token_file=file))
    assert "0123456789abcdef0" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "short\n"])
def test_a_token_has_some_length(tmp_path: Path, text: str):
    with pytest.raises(SettingsError, match="16 characters or more") as caught:
        read_token(DaemonSettings(token_file=secret(tmp_path, text)))
    assert "short" not in str(caught.value)


def test_a_secret_that_is_not_there(tmp_path: Path):
    with pytest.raises(SettingsError, match="no such file"):
        read_token(DaemonSettings(token_file=str(tmp_path / "none")))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "bytes").chmod(0o600)
    with pytest.raises(SettingsError, match="not utf-8"):
        read_token(DaemonSettings(token_file=str(tmp_path / "bytes")))
