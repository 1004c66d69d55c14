"""Who may write to a file: an engine that others can exchange is code that others can run.

A set's files, its folder and the folder above are refused if anyone but this user and root may
write to them. A group's write permission is harmless where the group is private: Ubuntu gives
each user a group of their own and lets it write to all that the user makes (umask 002). Folders
further up are not looked at.
"""

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgert.errors import ArtifactError, UntrustedError

_ROOT = 0
_ACCESS_LIST = "system.posix_acl_access"


class Accounts(Protocol):
    """What has to be known of the system's users and groups."""

    @property
    def user_id(self) -> int:
        """That this process acts as."""
        ...

    def user_name(self, user_id: int) -> str:
        """The user's name, or the number where there is none."""
        ...

    def group_name(self, group_id: int) -> str:
        """The group's name, or the number where there is none."""
        ...

    def members(self, group_id: int) -> frozenset[int] | None:
        """The users of a group, whose first or further group it is; None if that is not known."""
        ...

    def has_access_list(self, path: Path) -> bool:
        """Whether the file has further entries of who may use it, beside user and group."""
        ...


@dataclass(frozen=True)
class SystemAccounts:
    """The users and groups of this machine, as /etc and the name services list them.

    A directory service that doesn't list its users can hide a member.
    """

    user_id: int

    @classmethod
    def of_this_process(cls) -> "SystemAccounts":
        """With the user that file accesses of this process are checked for."""
        return cls(os.geteuid())

    def user_name(self, user_id: int) -> str:
        """As the protocol has it."""
        try:
            return pwd.getpwuid(user_id).pw_name
        except KeyError:
            return str(user_id)

    def group_name(self, group_id: int) -> str:
        """As the protocol has it."""
        try:
            return grp.getgrgid(group_id).gr_name
        except KeyError:
            return str(group_id)

    def members(self, group_id: int) -> frozenset[int] | None:
        """As the protocol has it; a member without an account makes the answer unknown."""
        try:
            further = {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(group_id).gr_mem}
        except KeyError:
            return None
        return frozenset(further | {u.pw_uid for u in pwd.getpwall() if u.pw_gid == group_id})

    def has_access_list(self, path: Path) -> bool:
        """As the protocol has it; where the file system can't say, there is none."""
        try:
            return _ACCESS_LIST in os.listxattr(path)
        except OSError:
            return False


def refuse_other_writers(path: Path, accounts: Accounts, *, sticky: bool = False) -> None:
    """Refuse a file or folder that others may write to; links are followed.

    Args:
        path: What to look at.
        accounts: The system's users and groups.
        sticky: Accept a folder like /tmp, in which nobody can exchange what others own.

    Raises:
        UntrustedError: Others may write to it, or it is theirs.
        ArtifactError: It is not there, or can't be looked at.
    """
    status = status_of(path, follow=True)
    mode = status.st_mode
    if status.st_uid not in (accounts.user_id, _ROOT):
        raise _untrusted(
            path,
            got=f"one that belongs to {accounts.user_name(status.st_uid)}",
            advice="Build the family again as this user, or hand it over with chown",
        )
    if sticky and stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        return
    writers = ""
    if mode & stat.S_IWOTH:
        writers = "everyone"
    elif mode & stat.S_IWGRP and accounts.has_access_list(path):
        writers = "users in its access list"
    elif mode & stat.S_IWGRP and not _is_private(status.st_gid, accounts):
        writers = f"the group {accounts.group_name(status.st_gid)}"
    if writers:
        raise _untrusted(
            path,
            got=f"one that {writers} may write to",
            advice=f"Build the family again, or, if nobody touched it: chmod go-w {path}",
        )


def status_of(path: Path, *, follow: bool = False) -> os.stat_result:
    """What the file system says of a file, of a link itself unless it is followed.

    Raises:
        ArtifactError: It is not there, or can't be looked at.
    """
    try:
        return path.stat(follow_symlinks=follow)
    except OSError as error:
        raise ArtifactError(
            f"open {path}",
            expected="a file that can be read",
            got=(error.strerror or "none").lower(),
            advice="Build the set again: edgert build FAMILY",
        ) from error


def _is_private(group_id: int, accounts: Accounts) -> bool:
    members = accounts.members(group_id)
    return members is not None and members <= {accounts.user_id, _ROOT}


def _untrusted(path: Path, *, got: str, advice: str) -> UntrustedError:
    return UntrustedError(
        f"open {path}",
        expected="one that only this user and root may write to",
        got=got,
        advice=advice,
    )
