"""TensorRT-RTX for tests: the real one, in processes of its own.

NVIDIA's package `tensorrt_rtx` comes as a source archive that only re-exports the module of the
bindings' wheel; a folder with that re-export of our own stands in for it.
"""

from pathlib import Path

from tests.conformance.wheels import wheel_folder

VERSION = "1.7.1.116"
_WHEELS = ("tensorrt-rtx-cu12-libs", "tensorrt-rtx-cu12-bindings")


def rtx_folders(scratch: Path) -> list[Path]:
    """What to put on the import path; skips where there are no wheels for this machine."""
    package = scratch / "rtx" / "tensorrt_rtx"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(
        "from tensorrt_rtx_bindings import *\nfrom tensorrt_rtx_bindings import __version__\n"
    )
    return [package.parent, *(wheel_folder(f"{wheel}=={VERSION}") for wheel in _WHEELS)]
