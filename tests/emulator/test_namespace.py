"""The command line that leads into an emulated board; what is inside is tested under board/."""

import os
import shutil
import sys
from pathlib import Path

from edgert.emulator.namespace import build_shim, command_inside, why_not


def test_root_gets_a_mount_namespace_and_others_a_user_namespace_too():
    own_user = ["-r"] if os.geteuid() != 0 else []
    plain = command_inside(Path("/tree"), ["cat", "/sys/x"])
    assert plain[: len(own_user) + 4] == ["unshare", *own_user, "-m", "--propagation", "private"]
    assert plain[-4:] == ["/tree", "", "cat", "/sys/x"]
    assert sys.executable in plain
    assert command_inside(Path("/tree"), ["true"], as_user=True)[1] == "-r"


def test_the_shim_is_preloaded_into_the_command_alone():
    line = command_inside(Path("/tree"), ["jtop"], shim=Path("/lib/shim.so"))
    assert line[-4:] == [
        "env",
        "LD_PRELOAD=/lib/shim.so",
        "EDGERT_CLOCK_STEP=/tree/clock_step_s",
        "jtop",
    ]


def test_the_interpreter_s_folder_is_handed_on():
    line = command_inside(Path("/tree"), ["jtop"], python_base=Path("/usr"))
    assert line[-3:] == ["/tree", "/usr", "jtop"]


def test_the_shim_is_built_where_there_is_a_compiler(tmp_path):
    library = build_shim(tmp_path / "new")
    if shutil.which("cc") or shutil.which("gcc"):
        assert library is not None
        assert library.read_bytes().startswith(b"\x7fELF")
    else:
        assert library is None


def test_without_the_tool_the_reason_is_told_in_words():
    assert why_not(tool="unshare-x") == "there is no unshare-x (package util-linux)"
