"""Trees of files as Jetsons have them, for tests; what they hold is public reports of boards."""

from pathlib import Path

NVPMODEL = """\
# FORMAT: < POWER_MODEL ID=id_num NAME=mode_name >
###########################
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online

< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
CPU_ONLINE CORE_0 1
< PM_CONFIG DEFAULT=1 >
"""


def write_files(root: Path, files: dict[str, str]) -> Path:
    """Write files below `root` and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def orin_nano(root: Path, *, mode: str = "0001") -> Path:
    """An Orin Nano developer kit in Super mode under JetPack 6.2."""
    return write_files(
        root,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer "
            "Kit Super\0",
            "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005-super\0"
            "nvidia,p3767-0005\0nvidia,tegra234\0",
            "proc/device-tree/chosen/nvidia,sku": "699-13767-0005-300 W.1\0",
            "proc/device-tree/chosen/ids": "3767-0005-300 3768-0000-300\0",
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: "
            "generic, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n",
            "var/lib/nvpmodel/status": f"pmode:{mode}\n",
            "etc/nvpmodel.conf": NVPMODEL,
        },
    )
