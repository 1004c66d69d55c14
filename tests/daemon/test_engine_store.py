"""The daemon's own copies of engine sets: whole or not there, two at most."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts import load_built
from edgert.daemon.engine_store import EngineStore, StoredSet, set_id
from edgert.errors import ArtifactError
from tests.daemon.sets import Workplace


@pytest.fixture
def place(profiled_once: Path, tmp_path: Path) -> Workplace:
    return Workplace(profiled_once, tmp_path / "work")


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "state" / "engines")


def put(store: EngineStore, place: Workplace) -> StoredSet:
    return store.put(place.built, place.family, place.profile, asked_family="tiny")


def test_a_new_store_has_nothing(store: EngineStore):
    assert (store.current(), store.previous(), store.trying()) == (None, None, "")


def test_a_set_is_copied_with_all_that_it_takes_and_outlives_its_origin(store, place):
    family, profile, manifest = place.family, place.profile, place.built.manifest
    digest = hashlib.sha256((place.built_path / "manifest.json").read_bytes()).hexdigest()
    stored = put(store, place)
    assert store.current() is None  # not before it is taken
    store.take(stored)
    shutil.rmtree(place.folder)
    current = store.current()
    assert current == stored
    assert digest.startswith(current.id)
    assert (current.family(), current.profile()) == (family, profile)
    assert current.load(()).manifest == manifest
    assert current.origin().family == "tiny"


def test_engines_that_are_written_over_in_place_do_not_reach_the_copy(store, place):
    stored = put(store, place)
    engine = place.built.engine_path("full")
    content = engine.read_bytes()
    with engine.open("r+b") as file:
        file.write(b"\0" * 100)
    assert stored.load(()).engine_path("full").read_bytes() == content
    with pytest.raises(ArtifactError):
        load_built(place.built_path)


def test_two_sets_are_kept_and_the_third_makes_the_first_go(store, place):
    taken = []
    for _ in range(3):
        stored = put(store, place)
        store.take(stored)
        taken.append(stored)
        place.another_set()
    assert len({stored.id for stored in taken}) == 3
    assert (store.current(), store.previous()) == (taken[2], taken[1])
    assert not taken[0].folder.exists()
    assert taken[1].load(())


def test_taking_the_current_set_again_changes_nothing(store, place):
    stored = put(store, place)
    store.take(stored)
    store.take(put(store, place))
    assert (store.current(), store.previous()) == (stored, None)


def test_a_newer_profile_is_kept_with_a_set_that_is_there(store, place):
    store.take(put(store, place))
    text = place.profile_path.read_text().replace('"tiny"', '"tiny"')
    place.profile_path.write_text(text)
    assert put(store, place).profile() == place.profile


def test_what_was_left_half_copied_is_swept_and_links_that_lead_nowhere_are_nothing(tmp_path):
    folder = tmp_path / "engines"
    (folder / ".abc.123.tmp" / "built").mkdir(parents=True)
    (folder / "1234567812345678").mkdir()
    (folder / ".current.tmp").symlink_to("nowhere")
    (folder / "current").symlink_to("gone")
    store = EngineStore(folder)
    assert store.current() is None
    assert [path.name for path in folder.iterdir()] == ["current"]


def test_a_current_link_that_leads_outside_leads_nowhere(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "current").symlink_to(outside)
    assert EngineStore(tmp_path / "engines").current() is None


def test_a_refused_set_is_dropped_but_never_one_that_is_good(store, place):
    good = put(store, place)
    store.take(good)
    place.another_set()
    refused = put(store, place)
    store.begin(refused)
    assert store.trying() == refused.id
    store.drop(refused)
    store.end()
    store.drop(good)
    assert not refused.folder.exists()
    assert store.current() == good
    assert store.trying() == ""


def test_a_file_that_vanishes_meanwhile_leaves_nothing(store, place):
    built = place.built
    built.engine_path("full").unlink()
    with pytest.raises(ArtifactError, match=r"copy .*expected a file of a built set"):
        store.put(built, place.family, place.profile, asked_family="tiny")
    assert not [path for path in store._folder.iterdir() if path.is_dir()]


def test_a_set_that_is_not_there_has_no_id(tmp_path):
    with pytest.raises(ArtifactError, match="no such file"):
        set_id(tmp_path)


KILLED_AT = """
import os, shutil, signal, sys
from pathlib import Path
from edgert.artifacts import load_built, load_family, load_profile
from edgert.daemon import engine_store
from edgert.daemon.engine_store import EngineStore

place, folder, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
[built] = (file.parent for file in place.glob("tiny/built/*/manifest.json"))
[profile] = place.glob("profiles/measured/*/tiny.json")
count = 0

def counted(function):
    def call(*args, **keywords):
        global count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **keywords)
    return call

engine_store._copy = counted(engine_store._copy)
engine_store.write_record = counted(engine_store.write_record)
engine_store.save_profile = counted(engine_store.save_profile)
engine_store._sync = counted(engine_store._sync)
engine_store.shutil.rmtree = counted(shutil.rmtree)
Path.replace = counted(Path.replace)
Path.rename = counted(Path.rename)
Path.symlink_to = counted(Path.symlink_to)
Path.unlink = counted(Path.unlink)
store = EngineStore(folder)
stored = store.put(load_built(built), load_family(place / "tiny").family, load_profile(profile),
                   asked_family="tiny")
store.begin(stored)
store.take(stored)
print(count)
"""


def test_a_process_killed_at_any_step_leaves_the_old_set_or_the_new_one(place, tmp_path):
    """Every copy, rename, link and removal is a step; the last good set is whole after each."""
    folder = tmp_path / "engines"
    store = EngineStore(folder)
    old = put(store, place)
    store.take(old)
    place.another_set()
    new_id = set_id(place.built_path)
    pristine = tmp_path / "pristine"
    shutil.copytree(folder, pristine, symlinks=True)
    seen = []
    for step in range(1, 100):
        shutil.rmtree(folder)
        shutil.copytree(pristine, folder, symlinks=True)
        result = subprocess.run(
            [sys.executable, "-c", KILLED_AT, str(place.folder), str(folder), str(step)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        after = EngineStore(folder)
        current = after.current()
        assert current is not None
        assert current.id in (old.id, new_id)
        current.load(())  # every file has the hash that its manifest states
        assert not list(folder.glob(".*"))
        assert len([path for path in folder.iterdir() if not path.is_symlink()]) <= 3
        seen.append(current.id)
        if result.returncode == 0:
            assert current.id == new_id
            break
        assert result.returncode == -9, result.stderr
    assert len(seen) > 12
    assert seen == sorted(seen, key=[old.id, new_id].index)  # old until one step, then new
