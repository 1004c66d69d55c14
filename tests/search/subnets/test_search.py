"""The whole search on a tiny supernet: by labels, by agreement, timed; killed and gone on with."""

import dataclasses
import itertools
import json
import shutil

import msgspec
import numpy as np
import pytest

from edgert.artifacts import load_family
from edgert.build.derive import derive_configuration
from edgert.clock import MonotonicClock
from edgert.errors import ArtifactError, BuildError, EdgertError, UsageError
from edgert.families.ofa_cost import macs_of_subnet
from edgert.families.ofa_resnet50 import subnet_from_text
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import read_image
from edgert.search.subnets.options import SubnetOptions
from edgert.search.subnets.run import JOURNAL, search_subnets
from edgert.search.subnets.supernet import open_supernet
from edgert.search.subnets.write import replace_subnets, write_subnet_family
from edgert.surgery.load import load_graph
from tests.search.subnets.supernet_family import LABELS, TINY
from tests.surgery.sessions import session_of


def options(root, **more):
    given = {
        "calibration": str(root / "cal"),
        "labels": str(root / "val"),
        "cost": "macs",
        "scored": 18,
        "configurations": 4,
        "search_images": 8,
        "threads": 1,
    }
    return SubnetOptions(**{**given, **more})


def searched(root, work, asked, **more):
    supernet = open_supernet(root / "fam")
    result = search_subnets(supernet, asked, work=work, clock=MonotonicClock(), **more)
    return supernet, result


@pytest.fixture(scope="module")
def by_labels(supernet_root, tmp_path_factory):
    work = tmp_path_factory.mktemp("by-labels")
    return *searched(supernet_root, work, options(supernet_root)), work


@pytest.fixture(scope="module")
def written(by_labels, tmp_path_factory):
    supernet, result, work = by_labels
    target = tmp_path_factory.mktemp("families") / "new"
    return load_family(
        write_subnet_family(target, supernet, result, work, dataset="val, half").parent
    )


def records(work, kind):
    lines = [json.loads(line) for line in (work / JOURNAL).read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_the_frontier_has_no_dominated_member_and_says_what_was_done(by_labels):
    _, result, work = by_labels
    assert (result.metric, result.score_provenance, result.caution) == ("top1", "measured", "")
    assert result.scored == 18 == len(records(work, "score"))
    assert result.images == {"calibration": 24, "choose": 20, "report": 20}
    assert 1 <= len(result.frontier) <= 3
    rows = [result.full, *result.frontier]
    for dearer, cheaper in itertools.pairwise(rows):
        assert dearer.cost > cheaper.cost
    for better, worse in itertools.pairwise(result.frontier):
        assert better.choose > worse.choose
    assert result.full.cost == 1.0
    assert all(r.latency_s is None and r.cost_error == 0 for r in rows)


def test_the_family_has_the_subnets_dearest_first_in_the_papers_words(by_labels, written):
    _, result, _ = by_labels
    configurations = written.family.configurations
    assert [c.name for c in configurations] == ["full", *(f.name for f in result.frontier)]
    macs = [macs_of_subnet(TINY, subnet_from_text(c.note, TINY)) for c in configurations]
    assert macs == sorted(macs, reverse=True)
    assert macs[0] == macs_of_subnet(TINY, TINY.largest())
    for found, configuration in zip(result.frontier, configurations[1:], strict=True):
        assert found.name == f"s{found.macs / 1e6:.3g}"
        [statistics] = [e for e in configuration.edits if "recalibrate_batchnorm" in e]
        file = written.path / statistics["recalibrate_batchnorm"]["statistics"]
        assert file.stat().st_size < 1 << 20


def test_written_accuracies_are_those_of_the_written_graphs(by_labels, written, supernet_root):
    """Counted again by another way, on the half that did not choose."""
    _, result, _ = by_labels
    val = supernet_root / "val"
    pictures = sorted(val.rglob("*.png"), key=lambda path: path.name)
    report = [path for i, path in enumerate(pictures) if i // 4 % 2]  # ten blocks of four
    assert len(report) == 20
    preprocess, base = Preprocessor(written.family.input), load_graph(written.graph_path)
    for configuration, found in zip(
        written.family.configurations, [result.full, *result.frontier], strict=True
    ):
        graph = derive_configuration(written, configuration, base=base, subject="test")
        session = session_of(graph, threads=1)
        right = 0
        for path in report:
            [logits] = session.run(["logits"], {"pixel_values": preprocess(read_image(path))})
            right += LABELS[int(logits.argmax())] == path.parent.name
        assert configuration.accuracy.value == found.report == right / 20
        assert configuration.accuracy.dataset == "val, half"


def test_a_search_that_was_killed_ends_as_if_it_had_not_been(by_labels, supernet_root, tmp_path):
    _, whole, work = by_labels
    again = tmp_path / "again"
    shutil.copytree(work, again)
    lines = (work / JOURNAL).read_bytes().splitlines(keepends=True)
    (again / JOURNAL).write_bytes(b"".join(lines[:12]) + b'{"kind":"sco')  # and cut off
    _, resumed = searched(supernet_root, again, options(supernet_root))
    assert msgspec.structs.replace(resumed, minutes=0) == msgspec.structs.replace(whole, minutes=0)
    kept = [json.loads(line) for line in lines]
    gone_on = [json.loads(line) for line in (again / JOURNAL).read_bytes().splitlines()]
    assert [(r["kind"], r.get("word")) for r in gone_on] == [
        (r["kind"], r.get("word")) for r in kept
    ]


@pytest.mark.parametrize(
    ("change", "named"), [({"seed": 5}, "seed"), ({"cost": "latency"}, "cost")]
)
def test_another_search_does_not_go_on_with_it(by_labels, supernet_root, change, named):
    with pytest.raises(ArtifactError, match=named):
        searched(supernet_root, by_labels[2], options(supernet_root, **change))


class Hurrying:
    """A clock by which everything takes long."""

    def __init__(self):
        self.now = 0.0

    def now_s(self):
        self.now += 1.0
        return self.now


@pytest.mark.slow
def test_minutes_end_the_search_after_its_first_generation(supernet_root, tmp_path):
    asked = options(supernet_root, scored=None, minutes=0.1, configurations=2, images=8)
    supernet = open_supernet(supernet_root / "fam")
    result = search_subnets(supernet, asked, work=tmp_path, clock=Hurrying())
    assert result.scored == 24
    assert result.frontier


def test_restarting_forgets(by_labels, supernet_root, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(by_labels[2], again)
    few = options(supernet_root, scored=4, seed=9, configurations=2, images=8)
    _, result = searched(supernet_root, again, few, restart=True)
    assert result.scored == len(records(again, "score")) == 4


def test_the_familys_own_file_can_be_replaced(by_labels, supernet_root, tmp_path):
    supernet, result, work = by_labels
    shutil.copytree(supernet_root / "fam", tmp_path / "fam")
    own = open_supernet(tmp_path / "fam")
    (tmp_path / "fam" / "recalibrated").mkdir()
    stale = tmp_path / "fam" / "recalibrated" / f"{result.frontier[0].name}.npz"
    stale.write_bytes(b"of another search")
    replace_subnets(own, result, work, dataset="")
    family = load_family(tmp_path / "fam")
    assert len(family.family.configurations) == 1 + len(result.frontier)
    assert not stale.exists()  # no longer named
    base = load_graph(family.graph_path)
    for configuration in family.family.configurations:
        derive_configuration(family, configuration, base=base, subject="test")
    with pytest.raises(UsageError, match="does not exist yet"):
        write_subnet_family(tmp_path / "fam", supernet, result, work, dataset="")


def test_nothing_is_written_where_a_configuration_computes_something_else(by_labels, tmp_path):
    supernet, result, work = by_labels
    other = tmp_path / "work"
    shutil.copytree(work, other)
    probe = other / "final" / f"{result.frontier[-1].word}.probe.npy"
    np.save(probe, np.load(probe) * 1.001)
    with pytest.raises(BuildError, match="what was scored"):
        write_subnet_family(tmp_path / "new", supernet, result, other, dataset="")
    assert not (tmp_path / "new").exists()


def test_timed_by_agreement_every_cost_shown_was_measured(supernet_root, tmp_path):
    asked = options(
        supernet_root, labels=None, cost="latency", timed=12, rounds=2, scored=12, configurations=3
    )
    _, result = searched(supernet_root, tmp_path, asked)
    assert result.metric == "agreement"
    assert result.images == {"calibration": 12, "choose": 6, "report": 6}
    assert result.full.report == 1.0
    measured = {r["word"]: r for r in records(tmp_path, "final-cost")}
    for found in result.frontier:
        record = measured[found.word]
        shown = (found.cost, found.cost_error, found.latency_s)
        assert shown == (record["ratio"], record["error"], record["median_s"])
        assert found.cost < 1
    model = result.latency_model
    assert model.subnets == 11  # the whole supernet is one of the corners
    assert result.timed == len(records(tmp_path, "cost")) >= 11
    first = [r["word"] for r in records(tmp_path, "cost")][11:]
    assert len(model.candidates) == 0 if not first else len(model.candidates) >= 1


def test_a_folder_that_is_no_supernets_is_refused(supernet_root, tmp_path):
    shutil.copytree(supernet_root / "fam", tmp_path / "fam")
    (tmp_path / "fam" / "space.json").unlink()
    with pytest.raises(ArtifactError, match=r"space\.json.*import_ofa"):
        open_supernet(tmp_path / "fam")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": 7}, "7 labels"),
        ({"stage_widths": (16,)}, "as many stages"),
        ({"image_sizes": (300,)}, "300 pixels"),
        ({"stage_widths": (64, 80)}, "stage"),
        ({"strides": "one"}, "strides"),
        ({"kernel": 3}, "kernel"),
    ],
)
def test_a_space_of_another_supernet_is_refused(supernet_root, tmp_path, change, words):
    shutil.copytree(supernet_root / "fam", tmp_path / "fam")
    text = json.dumps(dataclasses.asdict(TINY) | change)
    (tmp_path / "fam" / "space.json").write_text(text)
    with pytest.raises(EdgertError, match=words) as error:
        open_supernet(tmp_path / "fam")
    assert "\n" not in str(error.value)


def test_image_sizes_above_the_input_are_left_out(supernet_root, tmp_path):
    shutil.copytree(supernet_root / "fam", tmp_path / "fam")
    sizes = dataclasses.asdict(TINY) | {"image_sizes": (16, 24, 32)}
    (tmp_path / "fam" / "space.json").write_text(json.dumps(sizes))
    supernet = open_supernet(tmp_path / "fam")
    assert supernet.image_sizes == (16, 24)
    assert supernet.full.image_size == 24


@pytest.mark.parametrize("labels", [True, False])
def test_too_few_pictures_are_refused(supernet_root, tmp_path, labels):
    (tmp_path / "few").mkdir()
    for path in sorted((supernet_root / "cal").iterdir())[:6]:
        shutil.copy(path, tmp_path / "few")
    more = {} if labels else {"labels": None}
    asked = options(supernet_root, calibration=str(tmp_path / "few"), **more)
    with pytest.raises(UsageError, match="8 pictures or more"):
        searched(supernet_root, tmp_path / "work", asked)


def test_pictures_that_calibrate_and_score_at_once_are_refused(supernet_root, tmp_path):
    asked = options(supernet_root, calibration=str(supernet_root / "val"))
    with pytest.raises(UsageError, match="not among the labelled"):
        searched(supernet_root, tmp_path / "work", asked)
