"""`edgert calibrate` on a real board: nine minutes, in which nothing else may run on it.

    make test-hardware

Figures go to build/hardware/tensorrt.json. Fix the power mode and let the board rest before.
"""

import pytest

from edgert.artifacts import load_thermal, thermal_for, thermal_path
from edgert.boards import find_board, read_machine
from edgert.errors import SourceUnavailableError
from edgert.telemetry import open_source
from tests.hardware.checks import calibrated

pytestmark = pytest.mark.hardware


def test_a_step_test_gives_plausible_constants(device_built, device_backend, report, tmp_path):
    try:
        open_source("sysfs").close()
    except SourceUnavailableError as error:
        pytest.skip(f"no sensors of a Jetson here: {error}")
    device = device_backend.device()
    file = thermal_path(tmp_path, device)
    file.parent.mkdir(parents=True)
    family = device_built.path.parent.parent
    words = ["--backend", "tensorrt", "--telemetry", "sysfs"]
    report["calibration"] = calibrated(family, file, *words, provenance="measured")
    machine = read_machine()
    board = find_board(machine)
    found, why = thermal_for(
        tmp_path,
        device,
        machine_board=board.name if board else "",
        power_mode=machine.power_mode,
    )
    assert (found, why) == (load_thermal(file), "")
