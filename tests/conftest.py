"""Fixtures that more than one room's tests use."""

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.tiny_family import make_tiny_family

# A shell starts what it puts in the background with Ctrl-C ignored, and programs that tests start
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples are not timed: a machine that is busy with something else would fail them.
settings.register_profile("edgert", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edgert")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tiny_family(tmp_path: Path) -> Path:
    """A folder with a complete family of three configurations, a few kilobytes in all."""
    return make_tiny_family(tmp_path / "tiny")


@pytest.fixture(scope="session")
def bundled_family() -> Path:
    """The family that the project carries."""
    return PROJECT / "engines" / "segformer-b0-camvid"


@pytest.fixture(scope="session")
def camvid() -> Path:
    """Labelled frames; they are not part of the project."""
    folder = PROJECT.parent / "shared" / "datasets" / "camvid"
    if not folder.is_dir():
        pytest.skip("CamVid is not here (shared/datasets/camvid beside the project)")
    return folder
