from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgert
from edgert.artifacts import (
    FamilyFolder,
    built_from,
    built_from_now,
    cut_of,
    load_family,
    profile_stale_reasons,
    stale_reasons,
)
from edgert.records import EngineManifest, InputSpec, Profile, ProfileEntry
from tests.artifacts.built_sets import NAMES, make_set

UNDER = {"driver": "12.6", "l4t": "36.4.3", "power_mode": "25W"}


@pytest.fixture
def manifest(tmp_path: Path) -> EngineManifest:
    content = (make_set(tmp_path / "built" / "here") / "manifest.json").read_bytes()
    return msgspec.json.decode(content, type=EngineManifest)


def profile_of(manifest: EngineManifest, **changes) -> Profile:
    entries = [
        ProfileEntry(
            name=engine.name,
            latency_s=0.01,
            engine_sha256=engine.sha256,
            graph_sha256=engine.graph_sha256,
        )
        for engine in manifest.engines
    ]
    profile = Profile(family="tiny", device="d", measured_under=UNDER, entries=entries)
    return msgspec.structs.replace(profile, **changes)


def entry_changed(profile: Profile, **changes) -> Profile:
    first, *rest = profile.entries
    entries = [msgspec.structs.replace(first, **changes), *rest]
    return msgspec.structs.replace(profile, entries=entries)


# ---------------------------------------------------------------- engines


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("runtime", "tensorrt 11", "runtime was tensorrt 10.3.0.30, is tensorrt 11"),
        ("device", "agx", "device was fake, is agx"),
        ("compute_capability", "8.7", "compute capability was not stated, is 8.7"),
        ("device", "", "device was fake, is none"),
    ],
)
def test_what_engines_were_built_for_is_told_in_words(manifest, key, value, reason):
    now = {**manifest.built_for, key: value}
    reasons = stale_reasons(manifest, built_for=now, built_from=manifest.built_from)
    assert reasons == [reason]


def test_what_was_dropped_is_told_too(manifest: EngineManifest):
    reasons = stale_reasons(manifest, built_for={}, built_from=manifest.built_from)
    assert reasons == [
        "device was fake, is not stated",
        "runtime was tensorrt 10.3.0.30, is not stated",
    ]


def test_hashes_are_told_by_their_beginning(manifest: EngineManifest):
    now = {"graph": "ab" * 32}
    reasons = stale_reasons(manifest, built_for=manifest.built_for, built_from=now)
    assert reasons == ["graph was 000000000000…, is abababababab…"]


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=4))
def test_an_engine_is_stale_if_and_only_if_something_differs(tmp_path_factory, now):
    folder = make_set(tmp_path_factory.mktemp("s") / "built" / "here")
    content = (folder / "manifest.json").read_bytes()
    manifest = msgspec.json.decode(content, type=EngineManifest)
    reasons = stale_reasons(manifest, built_for=now, built_from=manifest.built_from)
    assert bool(reasons) == (now != manifest.built_for)


# ---------------------------------------------------------------- what engines are built from


@pytest.fixture
def family(tiny_family: Path) -> FamilyFolder:
    (tiny_family / "fitted").mkdir()
    (tiny_family / "fitted" / "c_1.npz").write_bytes(b"fitted")
    return load_family(tiny_family)


def test_every_source_is_stated(family: FamilyFolder):
    sources = built_from(family, [family.path / "fitted" / "c_1.npz"])
    assert sources["graph"] == family.family.base.sha256
    assert sources["edgert"] == edgert.__version__
    assert set(sources) == {"graph", "weights", "configurations", "edgert",
                            "edit file fitted/c_1.npz"}  # fmt: skip


def now_against(family: FamilyFolder, manifest: EngineManifest, then: dict[str, str]) -> list[str]:
    built = msgspec.structs.replace(manifest, built_from=then)
    now = built_from_now(family, built)
    return stale_reasons(built, built_for=built.built_for, built_from=now)


def cut(family: FamilyFolder, crop: float | msgspec.UnsetType) -> FamilyFolder:
    spec = msgspec.structs.replace(family.family.input, crop=crop)
    return FamilyFolder(family.path, msgspec.structs.replace(family.family, input=spec))


def test_nothing_changed_is_not_stale(family: FamilyFolder, manifest: EngineManifest):
    then = built_from(family, [family.path / "fitted" / "c_1.npz"])
    assert now_against(family, manifest, then) == []


def test_a_changed_file_of_an_edit_is_named(family: FamilyFolder, manifest: EngineManifest):
    then = built_from(family, [family.path / "fitted" / "c_1.npz"])
    (family.path / "fitted" / "c_1.npz").write_bytes(b"fitted again")
    [reason] = now_against(family, manifest, then)
    assert reason.startswith("edit file fitted/c_1.npz was ")
    (family.path / "fitted" / "c_1.npz").unlink()
    [reason] = now_against(family, manifest, then)
    assert reason.endswith(", is missing")


def test_a_file_outside_the_family_is_named_by_its_path(family: FamilyFolder, tmp_path: Path):
    (tmp_path / "ranking.json").write_text("{}")
    sources = built_from(family, [tmp_path / "ranking.json"])
    assert f"edit file {tmp_path / 'ranking.json'}" in sources


def test_changed_edits_are_told(family: FamilyFolder, manifest: EngineManifest):
    then = built_from(family, [])
    file = family.path / "family.yaml"
    file.write_text(file.read_text().replace("name: c1", "name: c0"))
    [reason] = now_against(load_family(family.path), manifest, then)
    assert reason.startswith("configurations was ")


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (msgspec.UNSET, 0.875, ["crop was not stated, is 0.875"]),
        (0.875, msgspec.UNSET, ["crop was 0.875, is not stated"]),
        (0.875, 0.9, ["crop was 0.875, is 0.9"]),
        (0.875, 0.875, []),
        (msgspec.UNSET, msgspec.UNSET, []),
    ],
)
def test_another_cut_of_pictures_is_told(family: FamilyFolder, manifest, then, now, told):
    before = built_from(cut(family, then), [])
    assert now_against(cut(family, now), manifest, before) == told


def test_without_a_cut_nothing_is_another_than_before_there_was_one(family: FamilyFolder):
    """Engines, searches and statistics of before hash the input as it was written then."""
    assert "crop" not in built_from(family, [])
    spec = InputSpec(name="x", shape=(1, 3, 8, 8))
    written = b'{"name":"x","shape":[1,3,8,8],"color_order":"rgb","scale":0.00392156862745098,'
    written += b'"mean":[0.0,0.0,0.0],"std":[1.0,1.0,1.0]'
    assert msgspec.json.encode(spec) == written + b"}"
    assert (
        msgspec.json.encode(msgspec.structs.replace(spec, crop=0.5)) == written + b',"crop":0.5}'
    )


def test_another_edgert_builds_anew(family: FamilyFolder, manifest: EngineManifest):
    then = {**built_from(family, []), "edgert": "0.0.9"}
    assert now_against(family, manifest, then) == [f"edgert was 0.0.9, is {edgert.__version__}"]


# ---------------------------------------------------------------- profiles


def test_a_profile_of_these_engines_under_these_conditions_holds(manifest: EngineManifest):
    assert profile_stale_reasons(profile_of(manifest), UNDER, manifest) == []


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("power_mode", "15W", "power mode was 25W, is 15W"),
        ("driver", "13.0", "driver was 12.6, is 13.0"),
        ("threads", "2", "threads was not stated, is 2"),
    ],
)
def test_changed_conditions_are_told_in_words(manifest, key, value, reason):
    assert profile_stale_reasons(profile_of(manifest), {**UNDER, key: value}, manifest) == [reason]


def test_a_profile_of_pictures_that_were_cut_otherwise_is_told(manifest: EngineManifest):
    assert cut_of(manifest) == {}
    cut_set = msgspec.structs.replace(manifest, built_from={**manifest.built_from, "crop": "0.5"})
    assert cut_of(cut_set) == {"crop": "0.5"}
    assert profile_stale_reasons(profile_of(manifest), UNDER, cut_set) == [
        "crop was not stated, is 0.5"
    ]
    same = profile_of(manifest, measured_under={**UNDER, "crop": "0.5"})
    assert profile_stale_reasons(same, UNDER, cut_set) == []
    assert profile_stale_reasons(same, UNDER, manifest) == ["crop was 0.5, is not stated"]


def test_a_profile_that_states_no_conditions_says_so(manifest: EngineManifest):
    old = profile_of(manifest, measured_under={})
    assert profile_stale_reasons(old, UNDER, manifest) == [
        "what it was measured under is not stated"
    ]


@pytest.mark.parametrize("field", ["engine_sha256", "graph_sha256"])
def test_an_engine_that_was_built_again_is_named(manifest: EngineManifest, field: str):
    profile = entry_changed(profile_of(manifest), **{field: "ab" * 32})
    assert profile_stale_reasons(profile, UNDER, manifest) == [f"{NAMES[0]} built again since"]


def test_a_profile_without_hashes_is_taken_at_its_word(manifest: EngineManifest):
    profile = entry_changed(profile_of(manifest), engine_sha256="", graph_sha256="")
    assert profile_stale_reasons(profile, UNDER, manifest) == []


def test_configurations_that_came_or_went_are_named(manifest: EngineManifest):
    profile = entry_changed(profile_of(manifest), name="gone")
    assert profile_stale_reasons(profile, UNDER, manifest) == [
        "full not measured",
        "gone no longer built",
    ]


def test_several_reasons_are_all_told(manifest: EngineManifest):
    profile = entry_changed(profile_of(manifest), engine_sha256="ab" * 32)
    now = {**UNDER, "power_mode": "15W", "l4t": "36.5.0"}
    assert profile_stale_reasons(profile, now, manifest) == [
        "l4t was 36.4.3, is 36.5.0",
        "power mode was 25W, is 15W",
        "full built again since",
    ]
