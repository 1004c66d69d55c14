"""Users and groups that a test makes up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ALICE, BOB = 4001, 4002


@dataclass(frozen=True)
class FakeAccounts:
    """`groups` are the members of each; a group that isn't there is not known.

    `acl` are the files with an access list.
    """

    user_id: int = ALICE
    groups: Mapping[int, set[int]] = field(default_factory=dict)
    acl: tuple[Path, ...] = ()

    def user_name(self, user_id: int) -> str:
        return {ALICE: "alice", BOB: "bob"}.get(user_id, str(user_id))

    def group_name(self, group_id: int) -> str:
        return f"group{group_id}"

    def members(self, group_id: int) -> frozenset[int] | None:
        found = self.groups.get(group_id)
        return None if found is None else frozenset(found)

    def has_access_list(self, path: Path) -> bool:
        return path in self.acl
