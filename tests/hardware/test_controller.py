"""The predictive controller on a real board: a temperature limit that the dearest engine passes.

    make test-hardware

About fifteen minutes with the rest between the runs. Figures go to build/hardware/tensorrt.json.
"""

import time
from contextlib import closing
from pathlib import Path

import pytest

from edgert.cli.main import main
from edgert.errors import SourceUnavailableError
from edgert.telemetry import open_source
from tests.hardware.checks import temperature_held

pytestmark = pytest.mark.hardware

RUN_S, LONGEST_REST_S = 240, 420


def test_a_temperature_limit_is_kept(device_built, device_backend, report, tmp_path):
    try:
        source = open_source("sysfs")
    except SourceUnavailableError as error:
        pytest.skip(f"no sensors of a Jetson here: {error}")

    def rest(temp_c: float) -> None:
        begin_s = time.monotonic()
        while time.monotonic() - begin_s < LONGEST_REST_S:
            sample = source.read()
            if sample is not None and sample.temp_c is not None and sample.temp_c <= temp_c:
                return
            time.sleep(1.0)

    family, profile = str(device_built.path.parent.parent), str(tmp_path / "profile.json")
    assert main(["profile", family, "--backend", "tensorrt", "-o", profile]) == 0
    words = [
        "run", family, "test://?width=640&height=480&fps=30&frames=300", "--loops", "100000",
        "--backend", "tensorrt", "--telemetry", "sysfs", "--profile", profile,
        "--max-s", str(RUN_S),
    ]  # fmt: skip

    def run(controller: str, limit_c: float | None, log: Path) -> None:
        limit = [] if limit_c is None else ["--temp-c", str(limit_c)]
        assert main([*words, "--controller", controller, "--log", str(log), *limit]) == 0

    with closing(source):
        report["temperature_held"] = temperature_held(run, tmp_path, rest=rest)
