"""Programs that see an emulated board as their machine: a private mount namespace around them.

    subprocess.run(command_inside(tree_folder, ["jtop", "--force"], python_base=base))

Inside, /sys is the tree's, /etc, /proc, /var/lib and the interpreter's prefix are the machine's
with the tree's files added, /run is the tree's own folder, and nvpmodel is the tree's. Nothing
of it is seen outside, and nothing has to be undone: it is gone with the process. All programs
inside one tree share its /run, and so each other's sockets.

As root a mount namespace is enough; other users get a user namespace of their own with it, in
which they are root. Needs Linux and util-linux' unshare; no container runtime, no kernel module.
"""

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgert.emulator.faults import CLOCK_STEP
from edgert.errors import SourceUnavailableError

_MS_BIND, _MS_REC = 4096, 16384
_REAL = ".real"  # what a folder held before, inside its own view
_SHIM = Path(__file__).resolve().parent / "machine_shim.c"
_ROOT = Path(__file__).resolve().parents[2]
# The interpreter starts in a folder of the user's choice: the package is found by its path.
_INSIDE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from edgert.emulator.namespace import enter; enter(sys.argv[2:])"
)


def why_not(*, as_user: bool = False, tool: str = "unshare") -> str:
    """Why no namespace can be made here, in words; "" where one can.

    Args:
        as_user: Ask for the way of ordinary users, also as root.
        tool: The program that makes them.
    """
    if not sys.platform.startswith("linux"):
        return f"mount namespaces are Linux', this is {sys.platform}"
    if shutil.which(tool) is None:
        return f"there is no {tool} (package util-linux)"
    probe = subprocess.run(
        [*_unshare(as_user=as_user), "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if probe.returncode == 0 else (probe.stderr.strip() or "unshare failed")


def command_inside(
    folder: Path,
    command: Sequence[str],
    *,
    python_base: Path | None = None,
    shim: Path | None = None,
    as_user: bool = False,
) -> list[str]:
    """The command line that runs `command` inside the tree under `folder`.

    Args:
        folder: The tree's.
        command: What to run.
        python_base: `sys.base_prefix` of the Python that jetson-stats is installed for: its
            service writes below that folder's `local`.
        shim: A library from `build_shim`, preloaded into the command.
        as_user: Take the way of ordinary users, also as root.
    """
    preload = (
        []
        if shim is None
        else [
            f"LD_PRELOAD={shim}",
            f"EDGERT_CLOCK_STEP={folder / CLOCK_STEP}",
        ]
    )
    inside = ["env", *preload, *command] if preload else list(command)
    base = str(python_base or "")
    options = [str(_ROOT), str(folder.resolve()), base, *inside]
    return [*_unshare(as_user=as_user), sys.executable, "-c", _INSIDE, *options]


def build_shim(folder: Path) -> Path | None:
    """Compile the shim into `folder`: aarch64, and a wall clock that can be stepped.

    None where there is no C compiler; jetson-stats then doesn't name the board.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "machine_shim.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SHIM)]
    subprocess.run(command, check=True, capture_output=True)
    return library


def enter(arguments: Sequence[str]) -> None:
    """Second half of `command_inside`, in the new namespace: mount, then become the command."""
    folder, base, *command = arguments
    tree = Path(folder)
    work = tree / ".namespace"
    work.mkdir(exist_ok=True)
    _mount("tmpfs", work, kind="tmpfs")
    if base:
        local = Path(base) / "local"
        _view(local if local.is_dir() else Path(base), work / "base")
    _add_files(tree, work)
    (tree / "run").mkdir(exist_ok=True)
    _mount(tree / "run", Path("/run"))
    _mount(tree / "sys", Path("/sys"))
    # The shell knows its PATH; swapon, which jetson-stats asks for swap, is no user's command.
    script = 'PATH="$0:$PATH:/usr/sbin:/sbin" exec "$@"'
    os.execvp("sh", ["sh", "-c", script, str(tree / "usr" / "sbin"), *command])


def _unshare(*, as_user: bool) -> list[str]:
    own_user = ["-r"] if as_user or os.geteuid() != 0 else []
    return ["unshare", *own_user, "-m", "--propagation", "private"]


def _add_files(tree: Path, work: Path) -> None:
    """/etc, /proc and /var/lib with the board's files in them."""
    _view(Path("/etc"), work / "etc")
    groups = (Path("/etc") / _REAL / "group").read_text(encoding="utf-8").splitlines()
    kept = [line for line in groups if not line.startswith("jtop:")]
    # Number 0 is the one group that is certain to exist in a user namespace.
    _replace(Path("/etc/group"), "\n".join([*kept, "jtop:x:0:root", ""]))
    for name in ("nv_tegra_release", "nvpmodel.conf"):
        _link(Path("/etc") / name, tree / "etc" / name)
    _view(Path("/proc"), work / "proc")
    _link(Path("/proc/device-tree"), Path("/sys/firmware/devicetree/base"))
    _view(Path("/var/lib"), work / "lib")
    _link(Path("/var/lib/nvpmodel"), tree / "var/lib/nvpmodel")


def _view(folder: Path, view: Path) -> None:
    """Lay a writable copy of links over a folder; no overlay file system is needed."""
    real = view / _REAL
    real.mkdir(parents=True)
    _mount(folder, real)
    for name in os.listdir(folder):
        # Processes come and go: those of /proc are reached through /proc/self and /proc/.real.
        if not (folder == Path("/proc") and name.isdecimal()):
            (view / name).symlink_to(f"{_REAL}/{name}")
    _mount(view, folder)


def _replace(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _mount(source: Path | str, target: Path, *, kind: str = "") -> None:
    """mount(2): a bind with all that is mounted below it, or a new file system."""
    flags = 0 if kind else _MS_BIND | _MS_REC
    library = ctypes.CDLL(None, use_errno=True)
    failed = library.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, None
    )
    if failed:
        number = ctypes.get_errno()
        raise SourceUnavailableError(
            f"mount {source} on {target}",
            expected="a mount namespace of one's own",
            got=os.strerror(number).lower(),
            advice="Allow namespaces for this user, or run it as root",
        )
