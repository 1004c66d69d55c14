"""What family.yaml and the card of the bundled family say is what the edits give."""

import re

import pytest

from edgert.artifacts import load_family
from edgert.build.derive import derive
from edgert.surgery.cost import cost_of
from edgert.surgery.load import load_graph


@pytest.fixture(scope="module")
def family(bundled_family):
    return load_family(bundled_family).family


@pytest.fixture(scope="module")
def macs(bundled_family, family):
    """MACs of the exported graph and of every configuration."""
    base = load_graph(bundled_family / "base.onnx")
    counted = {"exported": cost_of(base).macs}
    for configuration in family.configurations:
        graph = derive(
            base, configuration.edits, subject=configuration.name, folder=bundled_family
        )
        counted[configuration.name] = cost_of(graph).macs
    return counted


def test_the_first_configuration_is_the_whole_model_merged(family, macs):
    assert family.configurations[0].name == "full"
    assert family.configurations[0].edits == [{"merge_linear": {}}, {"channels_first": {}}]
    assert macs["exported"] == 4_937_713_920
    assert macs["full"] == 2_106_558_720


def test_the_family_reaches_from_full_to_a_tenth_of_the_exported_cost(family, macs):
    assert len(family.configurations) >= 8
    assert macs[family.configurations[-1].name] <= 0.1 * macs["exported"]


def test_a_sixth_of_the_exported_cost_keeps_the_score(family, macs):
    """What the search is held to: three quarters gone at 0.3 points, four fifths at 1.4."""
    full = family.configurations[0].accuracy.value
    shares = {c.name: macs[c.name] / macs["exported"] for c in family.configurations}
    drops = {c.name: full - c.accuracy.value for c in family.configurations}
    assert min(shares[name] for name, drop in drops.items() if drop <= 0.003) <= 0.24
    assert min(shares[name] for name, drop in drops.items() if drop <= 0.014) <= 0.20


def test_configurations_were_reported_on_frames_that_did_not_choose(family):
    assert {c.accuracy.frames for c in family.configurations} == {51}
    for configuration in family.configurations:
        assert "did not choose" in configuration.accuracy.dataset


def test_the_cards_table_says_the_same(bundled_family, family, macs):
    card = (bundled_family / "README.md").read_text(encoding="utf-8")
    rows = {
        row[0]: row[1:]
        for row in re.findall(
            r"^\| `?(\w+)`? \| ([\d.]+) \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) % \|",
            card,
            re.MULTILINE,
        )
    }
    for configuration in family.configurations:
        giga, of_exported, of_merged, score = rows[configuration.name]
        cost = macs[configuration.name]
        assert giga == f"{cost / 1e9:.3f}"
        assert of_exported == f"{cost / macs['exported']:.1%}".rstrip("%")
        assert of_merged == f"{cost / macs['full']:.1%}".rstrip("%")
        assert score == f"{configuration.accuracy.value:.2%}".rstrip("%")


def test_the_card_states_where_the_weights_may_go(bundled_family):
    card = (bundled_family / "README.md").read_text(encoding="utf-8")
    for fact in ("CC BY-NC 4.0", "CamVid", "research", "export_segformer.py"):
        assert fact in card
