"""`edgert service install|uninstall|show`: the daemon as a systemd service."""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from edgert.artifacts import write_atomically
from edgert.cli.output import print_json
from edgert.daemon.unit import (
    Installation,
    example_settings,
    groups_there,
    sysusers_text,
    unit_text,
)
from edgert.errors import EdgertError, SettingsError, UsageError
from edgert.settings import load_settings

_UNIT = Path("etc/systemd/system/edgert.service")
_USERS = Path("etc/sysusers.d/edgert.conf")
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}\Z")


class File(NamedTuple):
    """A file that the service needs."""

    path: Path
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument("action", choices=("install", "uninstall", "show"))
    parser.add_argument(
        "--settings", type=Path, default=Path("/etc/edgert/edgert.yaml"), metavar="FILE.yaml",
        help="what is served (default: /etc/edgert/edgert.yaml, written where there is none)",
    )  # fmt: skip
    parser.add_argument(
        "--user", default="edgert", metavar="NAME",
        help="who it runs as, made by systemd-sysusers; 'dynamic' for one that systemd makes up",
    )  # fmt: skip
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="of another system's files"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a unit that was changed by hand"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the unit, remove it, or print it."""
    root: Path = arguments.root
    made = _installation(arguments, root)
    files = _files(made, root)
    if arguments.action == "show":
        if arguments.json:
            print_json({str(file.path): file.text for file in files})
        else:
            print("\n".join(f"# {file.path}\n{file.text}" for file in files), end="")
        return 0
    if arguments.action == "uninstall":
        return _uninstall(files, arguments)
    return _install(files, made, arguments)


def _installation(arguments: argparse.Namespace, root: Path) -> Installation:
    user = "" if arguments.user == "dynamic" else arguments.user
    if user and not _USER_NAME.match(user):
        raise UsageError(
            "--user",
            expected="a user's name of small letters, digits, - and _",
            got=repr(user),
            advice="Correct it, or leave it out",
        )
    return Installation(
        # not resolved: the link in a virtual environment is what finds its packages
        python=Path(sys.executable).absolute(),
        settings=arguments.settings.absolute(),
        user=user,
        groups=groups_there(root),
        systemd=_systemd_version(),
    )


def _files(made: Installation, root: Path) -> list[File]:
    files = [File(root / _UNIT, unit_text(made))]
    if made.user:
        files.append(File(root / _USERS, sysusers_text(made.user, made.groups)))
    return files


def _install(files: list[File], made: Installation, arguments: argparse.Namespace) -> int:
    _refuse_changed(files, force=arguments.force)
    settings = _below(arguments.root, made.settings)
    written = []
    if settings.exists():
        load_settings(settings)  # what is wrong with it is better said now than by the journal
    else:
        _write(File(settings, example_settings()))
        written.append(settings)
    for file in files:
        _write(file)
        written.append(file.path)
    if arguments.json:
        print_json({"written": [str(path) for path in written], "next": _next(made)})
        return 0
    for path in written:
        print(f"wrote {path}")
    print("next:")
    for command in _next(made):
        print(f"  {command}")
    return 0


def _next(made: Installation) -> list[str]:
    users = ["sudo systemd-sysusers"] if made.user else []
    return [
        f"sudoedit {made.settings}",
        *users,
        "sudo systemctl daemon-reload",
        "sudo systemctl enable --now edgert",
        "sudo systemctl status edgert",
    ]


def _uninstall(files: list[File], arguments: argparse.Namespace) -> int:
    _refuse_changed(files, force=arguments.force)
    removed = [file.path for file in files if file.path.exists()]
    for path in removed:
        try:
            path.unlink()
        except OSError as error:
            raise _no_access(path, error) from error
    if arguments.json:
        print_json({"removed": [str(path) for path in removed]})
        return 0
    for path in removed:
        print(f"removed {path}")
    print("kept: the settings, and /var/lib/edgert with limits, engines and decisions")
    print("next:\n  sudo systemctl daemon-reload")
    return 0


def _refuse_changed(files: list[File], *, force: bool) -> None:
    """What was changed by hand is not replaced or removed unasked."""
    for file in files:
        try:
            there = file.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise _no_access(file.path, error) from error
        if there != file.text and not force:
            raise SettingsError(
                f"replace {file.path}",
                expected="the file as `edgert service show` prints it",
                got="another one, perhaps changed by hand",
                advice="Move changes to `systemctl edit edgert`, then give --force",
            )


def _write(file: File) -> None:
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_access(file.path, error) from error
    write_atomically(file.path, file.text)
    file.path.chmod(0o644)


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/") if root != Path("/") else path


def _no_access(path: Path, error: Exception) -> EdgertError:
    return SettingsError(
        f"write {path}",
        expected="a folder that can be written to",
        got=(getattr(error, "strerror", None) or str(error)).lower(),
        advice="Use sudo, or --root for another folder",
    )


def _systemd_version() -> int:
    """Of this machine's systemd; 0 where there is none."""
    try:
        told = subprocess.run(
            ["systemctl", "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"systemd (\d+)", told)
    return int(found[1]) if found else 0
