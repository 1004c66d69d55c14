"""A systemd unit for the daemon: what it may touch, and who it runs as.

Directives are explained in systemd.service(5), systemd.exec(5) and systemd.resource-control(5).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# Groups that a Jetson gives its devices to; those that the machine lacks are left out.
DEVICE_GROUPS = ("video", "render", "jtop", "i2c")
_NOTIFY_RELOAD = 253  # systemd's version that knows Type=notify-reload
WATCHDOG_S = 30

# Cameras, NVIDIA's engines on a Jetson and on a desktop GPU; what is not there is no error.
_DEVICES = (
    "char-video4linux rw",
    "char-media rw",
    "char-drm rw",
    "char-nvhost* rw",
    "char-nvidia* rw",
    "char-nvgpu* rw",
    "char-host1x* rw",
    "/dev/nvmap rw",
    "/dev/nvsciipc rw",
    "/dev/nvidiactl rw",
    "/dev/dma_heap/system rw",
)


class Installation(NamedTuple):
    """What a unit is made from.

    Attributes:
        python: The interpreter that has edgert, absolute.
        settings: The settings file, absolute.
        user: Who it runs as; "": a user that systemd makes up while it runs (DynamicUser).
        groups: Further groups, that give it devices.
        systemd: The version; 0 where it is not known.
    """

    python: Path
    settings: Path
    user: str
    groups: Sequence[str]
    systemd: int


def unit_text(made: Installation) -> str:
    """The unit, as it lies in /etc/systemd/system."""
    reload_ = made.systemd >= _NOTIFY_RELOAD
    kind = ["Type=notify-reload"] if reload_ else ["Type=notify", "ExecReload=kill -HUP $MAINPID"]
    user = [f"User={made.user}"] if made.user else ["User=edgert", "DynamicUser=yes"]
    groups = [f"SupplementaryGroups={' '.join(made.groups)}"] if made.groups else []
    lines = [
        "# Written by `edgert service install`; put changes into `systemctl edit edgert`.",
        "[Unit]",
        "Description=edgert: vision engines within limits of time, power and heat",
        "After=network-online.target nvpmodel.service jtop.service",
        "Wants=network-online.target",
        "StartLimitIntervalSec=300",
        "StartLimitBurst=10",
        "",
        "[Service]",
        *kind,
        "NotifyAccess=main",
        f"ExecStart={_quoted(made.python)} -m edgert serve {_quoted(made.settings)}",
        f"WorkingDirectory={made.settings.parent}",
        "Environment=PYTHONDONTWRITEBYTECODE=1",
        *user,
        *groups,
        "Restart=on-failure",
        "RestartSec=2",
        f"WatchdogSec={WATCHDOG_S}",
        "TimeoutStartSec=120",
        "TimeoutStopSec=60",
        "KillMode=mixed",
        "",
        "# What it keeps, and its socket /run/edgert/edgert.sock for its own group.",
        "StateDirectory=edgert",
        "StateDirectoryMode=0700",
        "RuntimeDirectory=edgert",
        "RuntimeDirectoryMode=0750",
        "UMask=0077",
        "",
        "# More than this and the kernel ends it before it ends anything else.",
        "#MemoryMax=4G",
        "OOMPolicy=stop",
        "OOMScoreAdjust=200",
        "",
        "# What it may touch.",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "ProtectSystem=strict",
        f"ProtectHome={_home(made)}",
        "PrivateTmp=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectControlGroups=yes",
        "ProtectProc=invisible",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "RemoveIPC=yes",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM",
        "# MemoryDenyWriteExecute is left out: CUDA writes code into memory and runs it.",
        "DevicePolicy=closed",
        *(f"DeviceAllow={device}" for device in _DEVICES),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def sysusers_text(user: str, groups: Sequence[str]) -> str:
    """The daemon's own user, for sysusers.d(5)."""
    members = "".join(f"m {user} {group}\n" for group in groups)
    return f'u {user} - "edgert daemon" /var/lib/edgert\n{members}'


def example_settings(family: str = "") -> str:
    """A settings file to begin with."""
    return f"""\
# What `edgert serve` does; every setting is in edgert's README. Paths are relative to this file.

family: "{family}"        # a folder, or a name under engines/ beside this file; empty: no engines

limits:
  deadline_s: 0.1         # a frame's result is late after this
  # power_w: 12           # of the whole board
  # temp_c: 75

# streams:
#   - name: yard
#     source: csi://0     # or rtsp://…, v4l2:///dev/video0, FILE.mp4
#     sinks: [yard.jsonl]

# daemon:
#   tcp: 127.0.0.1:8077   # besides the socket; anything but loopback takes a token_file
"""


def groups_there(root: Path) -> list[str]:
    """Those of DEVICE_GROUPS that a system has; with one that it lacks no unit starts."""
    try:
        text = (root / "etc" / "group").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    there = {line.partition(":")[0] for line in text.splitlines()}
    return [group for group in DEVICE_GROUPS if group in there]


def _home(made: Installation) -> str:
    """Homes are hidden, unless the interpreter or the settings lie in one."""
    places = (made.python, made.settings)
    inside = any(str(path).startswith(("/home/", "/root/")) for path in places)
    return "read-only" if inside else "yes"


def _quoted(path: Path) -> str:
    """As a word of ExecStart: % and $ stand for themselves."""
    text = str(path).replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if any(c in text for c in " \"'") else text
