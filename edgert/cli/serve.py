"""`edgert serve SETTINGS.yaml`: the daemon in the foreground, as a service manager runs it."""

import argparse
import logging
import sys
from pathlib import Path

from edgert.errors import SettingsError
from edgert.settings import Settings, load_settings, systemd_variables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument("settings", type=Path, metavar="SETTINGS.yaml", help="what is served")
    parser.add_argument("--socket", metavar="PATH", help="Unix socket to listen on")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="listen there as well")
    parser.add_argument(
        "--state-dir", metavar="FOLDER", help="for what outlives a restart: limits, engines, log"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; SIGHUP reads the settings again."""
    from edgert.daemon.run import run_daemon

    _log_to_stderr()
    file: Path = arguments.settings

    def read() -> Settings:
        return load_settings(
            file,
            flags={
                "daemon.socket": arguments.socket,
                "daemon.tcp": arguments.tcp,
                "daemon.state_dir": arguments.state_dir,
            },
        )

    if not file.is_file():
        raise SettingsError(
            f"read {file}",
            expected="a settings file",
            got="no such file",
            advice="Write one; `edgert service install` leaves an example",
        )
    folder = file.absolute().parent
    root = folder if (folder / "profiles").is_dir() or (folder / "engines").is_dir() else Path()
    return run_daemon(read(), reread=read, variables=systemd_variables(), root=root)


def _log_to_stderr() -> None:
    """One line for each record, with the level that systemd's journal reads."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    logger = logging.getLogger("edgert")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _JournalFormatter(logging.Formatter):
    """Puts <3> before errors, <4> before warnings, as sd-daemon(3) has it, where none looks."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if sys.stderr.isatty():
            return text
        level = 3 if record.levelno >= logging.ERROR else 4
        return f"<{level if record.levelno >= logging.WARNING else 6}>{text}"
