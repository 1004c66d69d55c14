"""Fixtures that start NVIDIA's code once for many tests."""

from pathlib import Path

import pytest

from edgert.build.nvidia import NvidiaCompiler
from tests.conformance.rtx import rtx_folders


@pytest.fixture(scope="session")
def rtx_path(tmp_path_factory) -> list[Path]:
    """Folders of the real TensorRT-RTX for an import path."""
    return rtx_folders(tmp_path_factory.mktemp("rtx"))


@pytest.fixture(scope="session")
def rtx(rtx_path):
    """The real TensorRT-RTX, loaded in a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in rtx_path:
            patch.syspath_prepend(str(folder))  # a process that is started gets this path
        with NvidiaCompiler() as compiler:
            yield compiler
