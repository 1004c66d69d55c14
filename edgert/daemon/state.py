"""What a daemon keeps from one start to the next: what it was asked for.

What the controller learned lies beside it, in a file of its own, as `edgert run --state` writes
it.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from edgert.artifacts import put_aside
from edgert.artifacts.files import write_record
from edgert.errors import EdgertError, SettingsError
from edgert.records import Limits, Record, Wanted, WantedChange
from edgert.schema import record_from_json

WANTED_FILE = "wanted.json"
LEARNED_FILE = "learned.json"


class KeptWanted(Record, frozen=True, kw_only=True):
    """What was asked for last, and what the settings said then."""

    format: Literal[1] = 1
    settings: Limits
    wanted: Wanted


class Restored(NamedTuple):
    """What is asked for at a start, and what should be heard of it, in words."""

    wanted: Wanted
    notes: list[str]


def keep_wanted(folder: Path, settings: Limits, wanted: Wanted) -> None:
    """Write what is asked for, whole or not at all.

    Raises:
        ArtifactError: The disk is full or the folder can't be written to; the old file stays.
    """
    write_record(folder / WANTED_FILE, KeptWanted(settings=settings, wanted=wanted))


def restore_wanted(folder: Path, settings: Limits) -> Restored:
    """What was asked for last, but where the settings have changed since: those count then.

    A file that is damaged is put aside.
    """
    file = folder / WANTED_FILE
    if not file.exists():
        return Restored(Wanted(limits=settings), [])
    try:
        kept = record_from_json(file, KeptWanted, SettingsError)
    except EdgertError as error:
        note = f"what was asked for before is lost: {error} {put_aside(file)}"
        return Restored(Wanted(limits=settings), [note])
    return merge_wanted(kept.wanted, before=kept.settings, now=settings)


def merge_wanted(wanted: Wanted, *, before: Limits, now: Limits) -> Restored:
    """What is asked for after the settings changed: a limit that changed in them counts.

    Args:
        wanted: What was asked for until now.
        before: The settings' limits when that was asked.
        now: The settings' limits now.
    """
    limits, notes = wanted.limits, []
    for name in Limits.__struct_fields__:
        was, new, asked = getattr(before, name), getattr(now, name), getattr(limits, name)
        if new not in (was, asked):
            limits = msgspec.structs.replace(limits, **{name: new})
            notes.append(
                f"{name} is {_words(new)} as the settings say now, and not {_words(asked)} as "
                "was asked before"
            )
    return Restored(msgspec.structs.replace(wanted, limits=limits), notes)


def changed_wanted(wanted: Wanted, change: WantedChange) -> tuple[Wanted, list[str]]:
    """What is asked for after a change, and what became different, in words."""
    fields = {
        name: getattr(change, name)
        for name in change.__struct_fields__
        if getattr(change, name) is not msgspec.UNSET
    }
    own = {name: fields.pop(name) for name in ("pinned", "paused") if name in fields}
    new = msgspec.structs.replace(
        wanted, limits=msgspec.structs.replace(wanted.limits, **fields), **own
    )
    words = [
        f"{name} {_words(getattr(wanted.limits, name))} → {_words(getattr(new.limits, name))}"
        for name in fields
        if getattr(wanted.limits, name) != getattr(new.limits, name)
    ]
    if new.pinned != wanted.pinned:
        words.append(f"{new.pinned} pinned" if new.pinned else "no configuration pinned")
    if new.paused != wanted.paused:
        words.append("paused" if new.paused else "goes on")
    return new, words


def _words(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
