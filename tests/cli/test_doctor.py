import json
import shutil
from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import (
    make_key_pair,
    save_profile,
    save_thermal,
    sign_manifest,
    thermal_path,
)
from edgert.backends import open_backend
from edgert.boards import Machine, load_board
from edgert.cli.doctor import board_lines
from edgert.cli.findings import (
    MachineFinding,
    look_at_family,
    look_at_machine,
    look_at_thermal,
)
from edgert.cli.main import main
from edgert.records import Profile, ProfileEntry, ThermalConstants
from tests.artifacts.built_sets import edit_manifest, make_set
from tests.boards.machines import orin_nano


def own_set(family: Path) -> Path:
    return next(file.parent for file in (family / "built").glob("cpu-*/manifest.json"))


def doctor(capsys, *words: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["doctor", *words])
    return status, capsys.readouterr().out


def findings(capsys, *words: str) -> dict:
    status, text = doctor(capsys, "--json", *words)
    content = json.loads(text)
    [content["family"]] = content["families"]
    assert status == (1 if content["family"]["problems"] else 0)
    return content


def test_a_ready_family_without_a_profile(family: Path, capsys):
    status, text = doctor(capsys)
    assert status == 0
    assert "engines/tiny: ready\n" in text
    assert "  no profile: edgert profile engines/tiny\n" in text
    assert "  engines ready: engines/tiny/built/cpu-" in text
    assert "3 engines by onnxruntime\n" in text


def test_a_profile_that_holds_and_one_that_does_not(family: Path, capsys):
    assert main(["profile", "tiny", "--rounds", "1", "--frame-count", "1"]) == 0
    status, text = doctor(capsys)
    assert status == 0
    assert "  profile holds: profiles/measured/cpu-" in text
    [file] = Path("profiles/measured").glob("*/tiny.json")
    content = json.loads(file.read_text())
    content["measured_under"]["threads"] = "9"
    file.write_text(json.dumps(content))
    status, text = doctor(capsys)
    assert status == 0  # it can be used as it is
    assert "  profile stale: " in text
    assert "threads was 9, is 1: measure again: edgert profile engines/tiny\n" in text


def test_a_profile_of_an_emulated_board_is_measured_again_with_it(family: Path, capsys):
    device = f"{open_backend('onnxruntime').device()}.emulated-orin-nano"
    entries = [ProfileEntry(name="full", latency_s=1)]
    file = Path("profiles/measured") / device / "tiny.json"
    file.parent.mkdir(parents=True)
    board = "emulated-orin-nano"
    save_profile(file, Profile(family="tiny", device="d", board=board, entries=entries))
    [profile] = findings(capsys)["family"]["profiles"]
    assert profile["state"] == "stale"
    assert profile["why"].endswith("edgert profile engines/tiny --board emulated-orin-nano")
    assert "what it was measured under is not stated; c2, c1 not measured" in profile["why"]


def test_a_damaged_profile_is_one_line(family: Path, capsys):
    file = Path("profiles/measured") / open_backend("onnxruntime").device() / "tiny.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    [profile] = findings(capsys)["family"]["profiles"]
    assert profile["state"] == "damaged"
    assert "expected JSON" in profile["why"]


def test_a_family_that_is_not_built(family: Path, capsys):
    shutil.rmtree(family / "built")
    family_found = findings(capsys)["family"]
    assert [found["state"] for found in family_found["sets"]] == ["missing"]
    assert "Build it: edgert build" in family_found["problems"][0]


def test_stale_engines_say_why(family: Path, capsys):
    edit_manifest(own_set(family), built_for={"runtime": "onnxruntime 1.0"})
    family_found = findings(capsys)["family"]
    assert family_found["sets"][0]["state"] == "stale"
    assert "runtime was onnxruntime 1.0, is onnxruntime " in family_found["problems"][0]
    assert "build them again: edgert build engines/tiny" in family_found["problems"][0]


def test_another_family_s_engines_are_stale(family: Path, capsys):
    edit_manifest(own_set(family), family="other")
    assert "family was other, is tiny" in findings(capsys)["family"]["problems"][0]


@pytest.mark.parametrize(
    ("spoil", "state", "line"),
    [
        (lambda s: (s / "full.onnx").write_bytes(b"x"), "damaged", "bytes as the manifest states"),
        (lambda s: edit_manifest(s, format=1), "damaged", "got format 1, of an older edgert"),
        (lambda s: (s / "full.onnx").chmod(0o666), "untrusted", "everyone may write to"),
        (lambda s: s.chmod(0o777), "untrusted", "everyone may write to"),
    ],
)
def test_what_can_t_be_loaded_says_why(family: Path, capsys, spoil, state: str, line: str):
    spoil(own_set(family))
    family_found = findings(capsys)["family"]
    assert family_found["sets"][0]["state"] == state
    assert line in family_found["problems"][0]
    status, text = doctor(capsys)
    assert status == 1
    assert "engines/tiny: NOT ready\n" in text
    assert text.count(line) == 1  # told once, with its set


def test_sets_for_other_devices_are_listed_with_their_plans(family: Path, capsys):
    make_set(family / "built" / "orin-sm87-p3767-0005", device="orin")
    odd = make_set(family / "built" / "odd")
    content = (odd / "full.plan").read_bytes()
    (odd / "full.plan").write_bytes(b"what" + content[4:])
    (family / "built" / ".odd.lock").touch()
    found = findings(capsys)["family"]
    own, damaged, orin = found["sets"]
    assert found["problems"] == []
    assert (own["state"], damaged["state"], orin["state"]) == (
        "ready", "damaged", "of another device",
    )  # fmt: skip
    assert orin["plans"] == ["TensorRT 10.3.0.30"]
    assert orin["why"] == "runtime tensorrt 10.3.0.30, device orin"
    _, text = doctor(capsys)
    assert "2 engines by tensorrt, TensorRT 10.3.0.30, runtime tensorrt 10.3.0.30" in text


def test_a_file_that_the_manifest_does_not_know_is_told(family: Path, capsys):
    (own_set(family) / "plugin.so").touch()
    status, text = doctor(capsys)
    assert status == 0
    assert "    unlisted, and read by nothing: plugin.so\n" in text


def test_signatures_are_asked_for_where_the_settings_do(family: Path, capsys, monkeypatch):
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    Path("keys").mkdir(mode=0o755)
    make_key_pair(Path("keys/k.pem"))
    monkeypatch.setenv("EDGERT_ENGINES_TRUSTED_KEYS", "keys/k.pub.pem")
    assert findings(capsys)["family"]["sets"][0]["state"] == "untrusted"
    sign_manifest(own_set(family), Path("keys/k.pem"))
    [found] = findings(capsys)["family"]["sets"]
    assert (found["state"], found["signed_by"]) == ("ready", "k.pub.pem")
    assert "signed by k.pub.pem" in doctor(capsys)[1]


def test_a_setting_that_is_wrong_is_the_family_s_problem(family: Path, capsys, monkeypatch):
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    monkeypatch.setenv("EDGERT_ENGINES_TRUSTED_KEYS", "none.pem")
    assert "settings engines.trusted_keys" in findings(capsys)["family"]["problems"][0]


def test_a_backend_that_can_t_be_opened_leaves_the_sets_listed(family: Path, capsys):
    content = findings(capsys, "--backend", "magic")
    assert "expected one of onnxruntime" in content["device"]["problem"]
    assert [found["state"] for found in content["family"]["sets"]] == ["not compared"]
    assert "can't be opened" in content["family"]["problems"][0]


def test_a_folder_that_is_no_family(tmp_path: Path, capsys):
    assert "no such file" in findings(capsys, str(tmp_path / "none"))["family"]["problems"][0]


def test_packages_say_what_brings_them(family: Path, capsys):
    content = findings(capsys)
    assert {"tensorrt", "cuda-bindings", "pycuda", "nvidia-modelopt", "jetson-stats",
            "cryptography"} <= set(content["packages"])  # fmt: skip
    _, text = doctor(capsys)
    if content["packages"]["cuda-bindings"] is None:
        assert "missing; pip install 'edgert[cuda]' brings it" in text
    if content["packages"]["tensorrt"] is None:
        assert "missing; apt install python3-libnvinfer" in text


def test_a_jetson_is_told_with_its_board_file(tmp_path: Path):
    lines = board_lines(look_at_machine(orin_nano(tmp_path)))
    assert lines == [
        "board: NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super, module "
        "p3767-0005, SoC tegra234, L4T 36.4.3, JetPack 6.2, power mode 25W",
        f"  board file jetson-orin-nano-8gb: {load_board('jetson-orin-nano-8gb').description}",
    ]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (MachineFinding(machine=Machine(), board=None), "no Jetson"),
        (MachineFinding(machine=Machine(part_number="p1-2"), board=None), "no board file knows"),
        (MachineFinding(machine=Machine(l4t="1"), board=None, problem="damaged"), "damaged"),
    ],
)
def test_a_machine_without_a_board_file_says_so(found: MachineFinding, line: str):
    assert line in board_lines(found)[-1]


def test_a_family_can_be_looked_at_without_the_command(family: Path):
    found = look_at_family("engines/tiny", open_backend("onnxruntime", threads=1), ())
    assert found.configurations == 3
    assert found.problems == ()


# ---------------------------------------------------------------- thermal constants


def test_thermal_constants_that_are_not_there_yet(family: Path, capsys):
    assert (
        "thermal constants: none here, edgert calibrate FAMILY finds them\n" in doctor(capsys)[1]
    )
    assert findings(capsys)["thermal"] == []


def test_thermal_constants_that_hold_and_some_that_do_not(family: Path, capsys):
    device = open_backend("onnxruntime").device()
    constants = ThermalConstants(
        die_j_per_k=6, sink_j_per_k=250, die_to_sink_k_per_w=0.3, sink_to_ambient_k_per_w=0.95,
        device=device,
    )  # fmt: skip
    root = Path("profiles")
    save_thermal(thermal_path(root, device), constants)
    of_board = msgspec.structs.replace(constants, board="b", provenance="emulated")
    save_thermal(thermal_path(root, device, "b"), of_board)
    save_thermal(thermal_path(root, device, "c"), of_board)
    thermal_path(root, device, "d").parent.mkdir()
    thermal_path(root, device, "d").write_text("{")
    _, text = doctor(capsys)
    folder = f"profiles/measured/{device}"
    assert f"thermal constants holds: {folder}/thermal.json\n" in text
    assert f"thermal constants holds: {folder}.b/thermal.json\n" in text
    assert (
        f"thermal constants stale: {folder}.c/thermal.json, board was b, is c: find them again: "
        "edgert calibrate FAMILY --board c\n" in text
    )
    assert f"thermal constants damaged: {folder}.d/thermal.json, read " in text
    assert [one["state"] for one in findings(capsys)["thermal"]] == [
        "holds", "holds", "stale", "damaged",
    ]  # fmt: skip


def test_thermal_constants_of_another_power_mode_are_stale(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backend = open_backend("onnxruntime")
    constants = ThermalConstants(
        die_j_per_k=6, sink_j_per_k=250, die_to_sink_k_per_w=0.3, sink_to_ambient_k_per_w=0.95,
        device=backend.device(), power_mode="25W",
    )  # fmt: skip
    save_thermal(thermal_path(Path("profiles"), backend.device()), constants)
    machine = MachineFinding(machine=Machine(power_mode="15W"), board=None)
    [found] = look_at_thermal(backend, machine)
    assert found.state == "stale"
    assert found.why.startswith("power mode was 25W, is 15W: find them again: ")
