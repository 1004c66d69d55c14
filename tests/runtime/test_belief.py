"""From agreement to accuracies: on one scale, in the right order, once enough was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.records import Agreement, Profile, ProfileEntry
from edgert.runtime.belief import LEAST_FRAMES, WIDEST, accuracies_from_agreement, is_news

ROWS = {"full": (0.64, 1.0), "c80": (0.65, 0.96), "c50": (0.62, 0.92), "c30": (0.60, 0.88)}


def profile(rows=ROWS):
    return Profile(
        family="f", device="cpu",
        entries=[
            ProfileEntry(name=name, latency_s=0.06, accuracy=accuracy, agreement=agreement)
            for name, (accuracy, agreement) in rows.items()
        ],
    )  # fmt: skip


def seen(mean, frames=100, width=0.01):
    low = max(mean - width / 2, 0.0)
    return Agreement(mean=mean, low=low, high=min(low + width, 1.0), frames=frames)


def test_what_was_seen_counts_and_the_full_one_keeps_its_own():
    live = {"full": seen(1.0), "c80": seen(0.96), "c50": seen(0.92), "c30": seen(0.80)}
    believed = accuracies_from_agreement(profile(), "full", live)
    assert believed == pytest.approx(
        {"full": 0.64, "c80": 0.64 * 0.96, "c50": 0.64 * 0.92, "c30": 0.64 * 0.80}
    )


def test_what_was_not_seen_gets_its_stored_agreement_in_a_scene_as_hard_as_this():
    # c50 disagrees live four times as often as in the profile: what nobody has looked at, twice.
    believed = accuracies_from_agreement(profile(), "full", {"c50": seen(0.68)})
    assert believed == pytest.approx(
        {"full": 0.64, "c80": 0.64 * 0.92, "c50": 0.64 * 0.68, "c30": 0.64 * 0.76}
    )
    # as in the profile: as in the profile
    believed = accuracies_from_agreement(profile(), "full", {"c50": seen(0.92)})
    assert believed["c30"] == pytest.approx(0.64 * 0.88)


@pytest.mark.parametrize(
    "live",
    [
        {},
        {"full": seen(1.0, 10_000)},
        {"c50": seen(0.5, LEAST_FRAMES - 1)},
        {"c50": seen(0.5, width=WIDEST + 0.01)},
    ],
)
def test_too_little_changes_nothing(live):
    assert accuracies_from_agreement(profile(), "full", live) == {}


def test_without_stored_agreement_the_stored_accuracy_stands_in():
    rows = {name: (accuracy, None) for name, (accuracy, _) in ROWS.items()}
    live = {"c50": seen(0.62 / 0.64)}
    believed = accuracies_from_agreement(profile(rows), "full", live)
    assert believed["c30"] == pytest.approx(0.60)
    assert believed["c80"] == pytest.approx(0.64)  # no agreement is above 1


def test_without_any_figure_of_one_nothing_is_believed_until_it_is_seen():
    rows = {"full": (None, None), "c50": (None, None), "c30": (None, None)}
    assert accuracies_from_agreement(profile(rows), "full", {"c50": seen(0.9)}) == {}
    both = accuracies_from_agreement(profile(rows), "full", {"c50": seen(0.9), "c30": seen(0.8)})
    assert both == {"full": 1.0, "c50": 0.9, "c30": 0.8}


@given(st.dictionaries(st.sampled_from(["c80", "c50", "c30"]), st.floats(0, 1)))
def test_what_is_believed_is_a_share_and_never_above_the_full_one(means):
    live = {name: seen(mean) for name, mean in means.items()}
    believed = accuracies_from_agreement(profile(), "full", live)
    assert all(0 <= value <= 0.64 for value in believed.values())
    if means:
        assert set(believed) == set(ROWS)


def test_small_changes_are_no_news():
    before = {"full": 0.64, "c50": 0.60}
    assert not is_news(before, {"full": 0.64, "c50": 0.6029})
    assert is_news(before, {"full": 0.64, "c50": 0.604})
    assert is_news(before, {})
    assert is_news({}, before)
