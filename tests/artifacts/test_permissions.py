import grp
import os
import pwd
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.artifacts.permissions import SystemAccounts, refuse_other_writers, status_of
from edgert.errors import ArtifactError, UntrustedError
from tests.artifacts.accounts import BOB, FakeAccounts

ME = os.getuid()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    path.write_text("x")
    return path


def accounts(*members: int, gid: int | None = None) -> FakeAccounts:
    """This user, and the members of the group that a file made here gets."""
    return FakeAccounts(user_id=ME, groups={os.getgid() if gid is None else gid: {*members}})


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o444, 0o000])
def test_what_only_the_owner_writes_is_accepted(file: Path, mode: int):
    file.chmod(mode)
    refuse_other_writers(file, FakeAccounts(user_id=ME))


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
def test_what_everyone_may_write_to_is_refused(file: Path, mode: int):
    file.chmod(mode)
    with pytest.raises(UntrustedError, match=r"got one that everyone may write to.*chmod go-w"):
        refuse_other_writers(file, accounts(ME))


def test_a_private_group_may_write(file: Path):
    """Ubuntu's umask 002: the owner's own group, which is nobody else's."""
    file.chmod(0o664)
    refuse_other_writers(file, accounts(ME))
    refuse_other_writers(file, accounts(0))  # root may do all anyway


def test_an_empty_group_may_write(file: Path):
    file.chmod(0o664)
    refuse_other_writers(file, accounts())


def test_a_group_with_another_member_may_not(file: Path):
    file.chmod(0o664)
    with pytest.raises(UntrustedError, match=f"that the group group{os.getgid()} may write to"):
        refuse_other_writers(file, accounts(ME, BOB))


def test_a_group_whose_members_nobody_knows_may_not(file: Path):
    file.chmod(0o664)
    with pytest.raises(UntrustedError, match="the group"):
        refuse_other_writers(file, FakeAccounts(user_id=ME))


def test_an_access_list_hides_behind_the_group_s_permission(file: Path):
    """With one, the group's bits are what any of its entries may have at most."""
    file.chmod(0o664)
    listed = FakeAccounts(user_id=ME, groups={os.getgid(): {ME}}, acl=(file,))
    with pytest.raises(UntrustedError, match="users in its access list"):
        refuse_other_writers(file, listed)
    file.chmod(0o644)  # they may not write any more
    refuse_other_writers(file, listed)


def test_what_belongs_to_another_user_is_refused(file: Path):
    me = FakeAccounts(user_id=ME)
    if ME == 0:
        os.chown(file, BOB, -1)
    else:
        me = FakeAccounts(user_id=ME + 1)
    with pytest.raises(UntrustedError, match="got one that belongs to "):
        refuse_other_writers(file, me)


@pytest.mark.skipif(ME != 0, reason="only root can give files away")
def test_what_belongs_to_root_is_accepted_by_every_user(file: Path):
    refuse_other_writers(file, FakeAccounts(user_id=BOB))


def test_a_sticky_folder_is_accepted_above_a_set_only(tmp_path: Path):
    tmp_path.chmod(0o1777)
    refuse_other_writers(tmp_path, accounts(ME), sticky=True)
    with pytest.raises(UntrustedError):
        refuse_other_writers(tmp_path, accounts(ME))
    tmp_path.chmod(0o777)
    with pytest.raises(UntrustedError):
        refuse_other_writers(tmp_path, accounts(ME), sticky=True)


def test_sticky_says_nothing_of_a_file(file: Path):
    file.chmod(0o1666)
    with pytest.raises(UntrustedError):
        refuse_other_writers(file, accounts(ME), sticky=True)


def test_a_missing_file_is_one_line(tmp_path: Path):
    with pytest.raises(ArtifactError, match="got no such file or directory"):
        status_of(tmp_path / "none")


@given(mode=st.integers(0, 0o777), members=st.sets(st.sampled_from([0, ME, BOB])))
def test_nothing_that_others_may_write_to_is_accepted(tmp_path_factory, mode, members):
    file = tmp_path_factory.mktemp("m") / "f"
    file.write_text("x")
    file.chmod(mode)
    others = bool(mode & 0o002) or bool(mode & 0o020 and BOB in members)
    try:
        refuse_other_writers(file, accounts(*members))
        refused = False
    except UntrustedError:
        refused = True
    assert refused == others


def test_this_system_knows_its_own_users():
    system = SystemAccounts.of_this_process()
    mine = pwd.getpwuid(os.geteuid())
    assert system.user_id == mine.pw_uid
    assert system.user_name(mine.pw_uid) == mine.pw_name
    assert system.group_name(mine.pw_gid) == grp.getgrgid(mine.pw_gid).gr_name
    assert mine.pw_uid in (system.members(mine.pw_gid) or ())


def test_numbers_without_a_name_stay_numbers():
    system = SystemAccounts.of_this_process()
    assert system.user_name(3_999_999) == "3999999"
    assert system.group_name(3_999_999) == "3999999"
    assert system.members(3_999_999) is None


def test_a_group_of_several_lists_all():
    """Whatever this system has: whoever a group names is among its members."""
    system = SystemAccounts.of_this_process()
    for group in grp.getgrall():
        found = system.members(group.gr_gid)
        for name in group.gr_mem if found is not None else ():
            assert pwd.getpwnam(name).pw_uid in found


def test_an_access_list_is_seen(file: Path):
    system = SystemAccounts(ME)
    assert not system.has_access_list(file)
    assert not system.has_access_list(file.with_name("none"))
    everyone = 0xFFFFFFFF  # an entry: what kind, what it may (4 read, 2 write), whose
    entries = [
        (1, 6, everyone),
        (2, 6, BOB),
        (4, 4, everyone),
        (16, 6, everyone),
        (32, 4, everyone),
    ]
    blob = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(file, "system.posix_acl_access", blob)
    except OSError:
        pytest.skip("this file system has no access lists")
    assert system.has_access_list(file)
    assert file.stat().st_mode & 0o020  # the list's mask, in the group's place
    private = FakeAccounts(user_id=ME, groups={file.stat().st_gid: {ME}}, acl=(file,))
    with pytest.raises(UntrustedError, match="access list"):
        refuse_other_writers(file, private)
