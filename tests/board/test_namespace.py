"""What a program inside the emulated board sees, and what the machine outside keeps."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgert.emulator import namespace

pytestmark = pytest.mark.board


@pytest.fixture(params=[False, True], ids=["as-root-or-user", "as-user"])
def run(stand, request):
    """Runs a program inside; a second time by the way of ordinary users."""
    if request.param and (reason := namespace.why_not(as_user=True)):
        pytest.skip(f"user namespaces are forbidden here: {reason}")

    def run(*command, **options):
        line = stand.inside(command, as_user=request.param, **options)
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout

    return run


def test_sys_is_the_tree_s_and_proc_and_etc_have_the_board_s_files(run, stand):
    assert run("cat", "/sys/class/hwmon/hwmon1/name") == "ina3221\n"
    assert run("cat", "/etc/nv_tegra_release").startswith("# R36 (release), REVISION: 4.3")
    assert run("cat", "/proc/device-tree/model").startswith("NVIDIA Jetson Orin Nano")
    assert "jtop:x:0:root" in run("cat", "/etc/group").splitlines()
    assert run("cat", "/var/lib/nvpmodel/status") == "pmode:0001\n"
    assert run("nvpmodel", "-q") == "NV Power Mode: 25W\n1\n"


def test_the_rest_of_the_machine_is_still_there(run):
    assert run("cat", "/proc/stat").startswith("cpu ")
    assert run("cat", "/etc/passwd") == Path("/etc/passwd").read_text()
    assert run(sys.executable, "-c", "print(6 * 7)") == "42\n"


def test_a_reader_inside_sees_the_files_move(run, stand):
    before = run("cat", "/sys/class/hwmon/hwmon1/curr1_input")
    stand.tree.book_run("any", 5.0)
    after = run("cat", "/sys/class/hwmon/hwmon1/curr1_input")
    assert int(after) > int(before) + 1000


def test_what_a_program_writes_to_its_run_is_seen_by_the_next(run, stand):
    run("sh", "-c", "echo here > /run/note")
    assert run("cat", "/run/note") == "here\n"
    assert (stand.tree.folder / "run/note").read_text() == "here\n"


def test_nothing_of_it_is_left_outside(run, stand):
    run("true")
    mounts = Path("/proc/self/mounts").read_text()
    assert str(stand.tree.folder) not in mounts
    assert "jtop" not in Path("/etc/group").read_text()
    assert not Path("/etc/nv_tegra_release").exists()


def test_the_shim_names_the_processor_and_shifts_the_wall_clock(run, stand):
    if stand.tools.shim is None:
        pytest.skip("no C compiler here: jetson-stats runs without the shim")
    ask = "import platform, time; print(platform.machine(), time.time() - time.monotonic())"
    machine, offset = run(sys.executable, "-c", ask).split()
    assert machine == "aarch64"
    stand.tree.fault("clock-back", step_s=30.0)
    _, shifted = run(sys.executable, "-c", ask).split()
    assert float(shifted) - float(offset) == pytest.approx(-30.0, abs=0.5)
