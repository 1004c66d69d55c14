"""Named subnets: the default set, those of a file, those in words."""

import dataclasses

import pytest

from edgert.errors import UsageError
from edgert.families.ofa_resnet50 import note
from edgert.families.ofa_space import Space
from edgert.families.ofa_subnets import (
    default_subnets,
    subnets_from_file,
    subnets_from_words,
    with_full,
)
from tests.families.ofa_networks import SMALL

RESNET50 = Space()


def test_the_default_set_of_ofa_resnet50_has_corners_and_what_is_known():
    subnets = default_subnets(RESNET50, image_size=224)
    words = {name: note(subnet) for name, subnet in subnets.items()}
    assert words == {
        "full": "d=2 e=0.35 w=2 r=224",
        "d2-e0.35-w0.65": "d=2 e=0.35 w=0 r=224",
        "d2-e0.2-w1.0": "d=2 e=0.2 w=2 r=224",
        "d2-e0.2-w0.65": "d=2 e=0.2 w=0 r=224",
        "d0-e0.35-w1.0": "d=0 e=0.35 w=2 r=224",
        "d0-e0.35-w0.65": "d=0 e=0.35 w=0 r=224",
        "d0-e0.2-w1.0": "d=0 e=0.2 w=2 r=224",
        "d0-e0.2-w0.65": "d=0 e=0.2 w=0 r=224",
        "d2.1.2.2.1-e0.25-w1.0": "d=2,1,2,2,1 e=0.25 w=2 r=224",
        "d2-e0.25-w1.0": "d=2 e=0.25 w=2 r=224",
        "d1-e0.25-w1.0": "d=1 e=0.25 w=2 r=224",
        "d1-e0.25-w0.8": "d=1 e=0.25 w=1 r=224",
        "d2-e0.25-w0.65": "d=2 e=0.25 w=0 r=224",
        "d0-e0.25-w0.8": "d=0 e=0.25 w=1 r=224",
        "d0-e0.2-w0.65-r128": "d=0 e=0.2 w=0 r=128",
    }


def test_another_space_gets_its_corners():
    subnets = default_subnets(SMALL, image_size=36)
    assert len(subnets) == 9
    assert subnets["full"] == SMALL.largest(36)
    assert subnets["d0-e0.3-w0.5-r20"] == SMALL.smallest()
    at_the_smallest = default_subnets(SMALL, image_size=20)
    assert len(at_the_smallest) == 8


def test_a_space_without_choices_has_one_subnet():
    space = dataclasses.replace(
        SMALL, depths=(0,), expands=(0.5,), width_multipliers=(1.0,), image_sizes=(32,)
    )
    assert list(default_subnets(space, image_size=32)) == ["full"]


def test_an_image_size_that_the_space_lacks_is_refused():
    with pytest.raises(UsageError, match="image_size"):
        default_subnets(RESNET50, image_size=225)
    with pytest.raises(UsageError, match="image_size"):
        with_full({}, RESNET50, image_size=225)


def test_the_whole_supernet_is_put_in_front_once():
    given = {"mine": RESNET50.smallest(), "all": RESNET50.largest(224)}
    subnets = with_full(given, RESNET50, image_size=224)
    assert list(subnets) == ["full", "mine"]


def test_words_may_have_a_name_in_front():
    subnets = subnets_from_words(["small d=0 e=0.2 w=0 r=128", "d=1 e=0.25 w=1 r=224"], RESNET50)
    assert subnets["small"] == RESNET50.smallest()
    assert note(subnets["subnet2"]) == "d=1 e=0.25 w=1 r=224"


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        (["a d=0 e=0.2 w=0 r=128", "a d=1 e=0.2 w=0 r=128"], "'a' a second time"),
        (["full d=0 e=0.2 w=0 r=128"], "'full'"),
        (["a/b d=0 e=0.2 w=0 r=128"], "a/b"),
        (["small d=0 e=0.2 w=0 r=100"], "got 100"),
        ([""], "''"),
        (["small"], "no d"),
    ],
)
def test_words_that_name_no_subnet_are_refused(texts, word):
    with pytest.raises(UsageError) as caught:
        subnets_from_words(texts, RESNET50)
    assert word in str(caught.value)


def file_with(folder, text):
    path = folder / "subnets.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_subnets(tmp_path):
    path = file_with(
        tmp_path,
        "- {name: shape, d: [2, 1, 2, 2, 1], e: 0.25, w: 2, image_size: 224}\n"
        "- {name: small, d: 0, e: 0.2, w: [0, 0, 0, 0, 0, 1], image_size: 128}\n",
    )
    words = {name: note(s) for name, s in subnets_from_file(path, RESNET50).items()}
    assert words == {
        "shape": "d=2,1,2,2,1 e=0.25 w=2 r=224",
        "small": "d=0 e=0.2 w=0,0,0,0,0,1 r=128",
    }


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("- {name: a, d: 0, e: 0.2, w: 0}", "the field 'image_size'"),
        ("- {name: a, d: 0, e: 0.2, w: 0, image_size: 128, k: 3}", "unknown field 'k'"),
        ("- {name: a, d: many, e: 0.2, w: 0, image_size: 128}", "'many'"),
        ("- {name: a, d: 3, e: 0.2, w: 0, image_size: 128}", "depth[0]: expected one of 0, 1, 2"),
        ("- {name: a, d: [0, 0], e: 0.2, w: 0, image_size: 128}", "[0] (a) at depth: expected 5"),
        ("name: a", "array"),
        ("- {name: a", "YAML"),
    ],
)
def test_a_file_with_something_else_is_refused_by_its_place(tmp_path, text, word):
    with pytest.raises(UsageError) as caught:
        subnets_from_file(file_with(tmp_path, text), RESNET50)
    assert word in str(caught.value)
    assert "subnets.yaml" in str(caught.value)
