"""An emulated board in real time, and the unmodified jetson-stats that runs on it.

jetson-stats comes from the package index into build/, an environment of its own: nothing of it
is imported by edgert or by these tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.emulator import namespace
from edgert.emulator.tree_files import memory_folder
from tests.board.stand import JETSON_STATS, Stand, Tools

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def namespaces(request):
    """Skips where the machine forbids mount namespaces, and says so loudly."""
    if reason := namespace.why_not():
        terminal = request.config.pluginmanager.getplugin("terminalreporter")
        words = f"the jetson-stats tests are NOT run, mount namespaces are forbidden: {reason}"
        terminal.write_line(f"\n*** {words} ***", red=True)
        pytest.skip(words)


@pytest.fixture(scope="session")
def tools(namespaces):
    """The interpreter that has jetson-stats, and the shim where there is a C compiler."""
    version = "{}.{}".format(*sys.version_info[:2])
    folder = ROOT / "build" / f"jetson-stats-{JETSON_STATS}-{version}"
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", f"jetson-stats=={JETSON_STATS}"], check=True)
        subprocess.run([*install, "smbus2", "distro", "nvidia-ml-py"], check=True)
        (folder / ".ready").touch()
    asked = "import sys; print(sys.base_prefix)"
    base = subprocess.run([str(python), "-c", asked], capture_output=True, text=True, check=True)
    shim = namespace.build_shim(ROOT / "build" / "machine_shim")
    return Tools(python=python, base=Path(base.stdout.strip()), shim=shim)


@pytest.fixture
def stand(tools, request):
    """A board with files that move 50 times a second; `stand.start_service()` starts the service.

    Indirect parameters: layout and release.
    """
    name, release = getattr(request, "param", ("orin-nano", "jetpack6"))
    folder = memory_folder("edgert-stand-")
    try:
        with Stand(folder, name, release, tools, cores=os.cpu_count()) as stand:
            yield stand
    finally:
        shutil.rmtree(folder, ignore_errors=True)
