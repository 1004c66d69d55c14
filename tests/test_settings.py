from pathlib import Path

import pytest

from edgert.errors import SettingsError
from edgert.settings import Settings, TensorRtSettings, load_settings, settings_paths


def test_defaults_need_nothing():
    assert load_settings(environment={}) == Settings()


def test_file_then_environment_then_flags(tmp_path: Path):
    file = tmp_path / "edgert.yaml"
    file.write_text("limits: {power_w: 10, temp_c: 70, deadline_s: 0.1}\ncontroller: ladder\n")
    settings = load_settings(
        file,
        environment={"EDGERT_LIMITS_TEMP_C": "65", "EDGERT_LIMITS_DEADLINE_S": "0.2"},
        flags={"limits.deadline_s": 0.3, "limits.period_s": None},
    )
    assert settings.limits.power_w == 10
    assert settings.limits.temp_c == 65
    assert settings.limits.deadline_s == 0.3
    assert settings.limits.period_s is None


def test_an_empty_file_sets_nothing(tmp_path: Path):
    (tmp_path / "e.yaml").write_text("{}\n")
    assert load_settings(tmp_path / "e.yaml", environment={}) == Settings()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("limits: {power: 10}", r"e\.yaml at limits: expected fields among deadline_s.*'power'"),
        ("limits: {power_w: fifteen}", r"limits\.power_w: expected float \| null, got 'fifteen'"),
        ("limits: {power_w: -1}", r"limits\.power_w: expected float > 0"),
        ("contrller: x", "unknown field 'contrller'"),
    ],
)
def test_a_wrong_setting_names_file_place_and_value(tmp_path: Path, text: str, line: str):
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(SettingsError, match=line):
        load_settings(tmp_path / "e.yaml", environment={})


def test_a_wrong_variable_is_named():
    with pytest.raises(SettingsError, match=r"settings EDGERT_LIMITS_POWER_W at limits\.power_w"):
        load_settings(environment={"EDGERT_LIMITS_POWER_W": "lots"})


def test_other_variables_are_left_alone():
    assert load_settings(environment={"EDGERT_UNRELATED": "1", "POWER_W": "2"}) == Settings()


def test_settings_within_settings_have_variables_of_their_own():
    settings = load_settings(
        environment={
            "EDGERT_TENSORRT_DLA_CORE": "0",
            "EDGERT_TENSORRT_BINDING": "cuda-python",
            "EDGERT_TENSORRT_WORKSPACE_BYTES": "1073741824",
            "EDGERT_ENGINES_MEMORY_BYTES": "500000000",
        }
    )
    assert settings.tensorrt == TensorRtSettings(
        dla_core=0, binding="cuda-python", workspace_bytes=1 << 30
    )
    assert settings.engines.memory_bytes == 500_000_000


def test_every_setting_has_a_path():
    paths = set(settings_paths())
    assert {"backend", "limits.power_w", "tensorrt.dla_core", "engines.trusted_keys"} <= paths
    assert not {"limits", "tensorrt", "engines"} & paths


@pytest.mark.parametrize("text", ["/etc/edgert/a.pem", "[/etc/edgert/a.pem]"])
def test_keys_in_a_variable_may_be_one_or_a_list(text: str):
    settings = load_settings(environment={"EDGERT_ENGINES_TRUSTED_KEYS": text})
    assert settings.engines.trusted_keys == ("/etc/edgert/a.pem",)


def test_keys_in_a_file_are_relative_to_that_file(tmp_path: Path):
    file = tmp_path / "e.yaml"
    file.write_text("engines: {trusted_keys: [fleet.pub.pem, /etc/edgert/a.pem]}\n")
    keys = load_settings(file, environment={}).engines.trusted_keys
    assert keys == (str(tmp_path / "fleet.pub.pem"), "/etc/edgert/a.pem")
    keys = load_settings(
        file, environment={"EDGERT_ENGINES_TRUSTED_KEYS": "mine.pem"}
    ).engines.trusted_keys
    assert keys == ("mine.pem",)


def test_an_empty_variable_is_an_empty_text():
    assert load_settings(environment={"EDGERT_TENSORRT_BINDING": ""}) == Settings()
    with pytest.raises(SettingsError, match=r"TENSORRT_DLA_CORE at tensorrt\.dla_core"):
        load_settings(environment={"EDGERT_TENSORRT_DLA_CORE": ""})


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("TENSORRT_BINDING", "cupy", "expected '' or 'cuda-python' or 'pycuda', got 'cupy'"),
        ("TENSORRT_OPTIMISATION_LEVEL", "6", "expected int <= 5, got 6"),
        ("TENSORRT_DLA_CORE", "-1", "expected int >= 0"),
        ("ENGINES_MEMORY_BYTES", "0", "expected int >= 1"),
        ("ENGINES_TRUSTED_KEYS", "{a: b}", "expected array"),
    ],
)
def test_a_wrong_nested_variable_is_named(variable: str, value: str, line: str):
    with pytest.raises(SettingsError, match=f"settings EDGERT_{variable} at .*{line}"):
        load_settings(environment={f"EDGERT_{variable}": value})


def test_a_file_with_an_unknown_nested_setting_is_refused(tmp_path: Path):
    (tmp_path / "e.yaml").write_text("tensorrt: {fp16: true}")
    with pytest.raises(SettingsError, match=r"at tensorrt: .*unknown field 'fp16'"):
        load_settings(tmp_path / "e.yaml", environment={})


def test_paths_of_a_daemon_are_relative_to_the_file_and_addresses_are_left_alone(tmp_path: Path):
    (tmp_path / "engines" / "mine").mkdir(parents=True)
    file = tmp_path / "edgert.yaml"
    file.write_text(
        """
family: mine
profile: p.json
thermal: /abs/t.json
board: board.yaml
streams:
  - {name: a, source: clip.mp4, sinks: [out.mp4, "rtsp://0.0.0.0:8554/a", none, out.jsonl]}
  - {name: b, source: "rtsp://camera/b"}
  - {name: c, source: /dev/video0}
  - {name: d, source: "csi://0"}
daemon: {socket: d.sock, state_dir: state, token_file: token}
mqtt: {host: broker, password_file: secret, ca_file: /etc/ca.pem}
"""
    )
    settings = load_settings(file, environment={})
    at = str(tmp_path)
    assert settings.family == f"{at}/engines/mine"
    assert (settings.profile, settings.thermal) == (f"{at}/p.json", "/abs/t.json")
    assert settings.board == f"{at}/board.yaml"
    assert [stream.source for stream in settings.streams] == [
        f"{at}/clip.mp4", "rtsp://camera/b", "/dev/video0", "csi://0",
    ]  # fmt: skip
    assert settings.streams[0].sinks == (
        f"{at}/out.mp4", "rtsp://0.0.0.0:8554/a", "none", f"{at}/out.jsonl",
    )  # fmt: skip
    assert settings.daemon.socket == f"{at}/d.sock"
    assert settings.daemon.state_dir == f"{at}/state"
    assert settings.daemon.token_file == f"{at}/token"
    assert (settings.mqtt.password_file, settings.mqtt.ca_file) == (f"{at}/secret", "/etc/ca.pem")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("mine", "mine"),  # a name that nothing here has: perhaps under engines/ elsewhere
        ("./mine", "{at}/mine"),
        ("../mine", "{at}/../mine"),
        ("/abs/mine", "/abs/mine"),
    ],
)
def test_a_family_that_is_not_beside_the_file(tmp_path: Path, written: str, read: str):
    file = tmp_path / "edgert.yaml"
    file.write_text(f"family: {written}\n")
    assert load_settings(file, environment={}).family == read.format(at=tmp_path)


def test_a_board_s_name_stays_a_name(tmp_path: Path):
    file = tmp_path / "edgert.yaml"
    file.write_text("board: emulated-orin-nano\n")
    assert load_settings(file, environment={}).board == "emulated-orin-nano"
