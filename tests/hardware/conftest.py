"""What the tests on a real device share: its backend, one built family, and the report."""

import json
import shutil
from pathlib import Path

import pytest

from edgert.artifacts import load_family
from edgert.backends.tensorrt.backend import TensorRtBackend
from edgert.boards import find_board, read_machine
from edgert.build.compile import build_family
from edgert.build.gate import GateFrames
from edgert.cli.pictures import read_pictures
from edgert.errors import BackendError, MissingDependencyError

ROOT = Path(__file__).resolve().parents[2]
FAMILY = ROOT / "engines" / "segformer-b0-camvid"
REPORT = ROOT / "build" / "hardware" / "tensorrt.json"


@pytest.fixture(scope="session")
def device_backend():
    """TensorRT on this machine's GPU; skipped, saying why, where there is none."""
    board = find_board(read_machine())
    backend = TensorRtBackend(workspace_bytes=board.workspace_bytes if board else None)
    try:
        backend.identity()
    except (BackendError, MissingDependencyError) as error:
        pytest.skip(f"no TensorRT on a GPU here: {error}")
    yield backend
    backend.close()


@pytest.fixture(scope="session")
def device_built(device_backend, tmp_path_factory):
    """The bundled family, built from the beginning in a folder of its own: minutes an engine."""
    folder = tmp_path_factory.mktemp("hardware") / FAMILY.name
    shutil.copytree(FAMILY, folder, ignore=shutil.ignore_patterns("built", "search"))
    return build_family(
        load_family(folder),
        device_backend,
        device=device_backend.device(),
        frames=GateFrames(pictures=read_pictures("test://", 4)),
    ).built


@pytest.fixture(scope="session")
def report(device_backend):
    """Figures of this session, written to build/hardware/tensorrt.json at its end."""
    machine = read_machine()
    figures = {
        "identity": device_backend.identity(),
        "conditions": device_backend.conditions(),
        "machine": {name: getattr(machine, name) for name in ("model", "part_number", "jetpack")},
    }
    yield figures
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(figures, indent=2))
