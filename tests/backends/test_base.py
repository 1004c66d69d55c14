import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.backends.base import check_feeds
from edgert.errors import InferenceError
from edgert.records import TensorSpec

SPECS = st.lists(
    st.builds(
        TensorSpec,
        name=st.text("abc", min_size=1, max_size=4),
        shape=st.lists(st.integers(0, 3), max_size=3).map(tuple),
        dtype=st.sampled_from(["float32", "int64", "uint8"]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda spec: spec.name,
).map(tuple)


def feeds_for(specs):
    return {spec.name: np.zeros(spec.shape, spec.dtype) for spec in specs}


@given(SPECS)
def test_feeds_made_from_the_specs_fit_in_any_order(specs):
    feeds = feeds_for(specs)
    check_feeds(feeds, specs, subject="run x")
    check_feeds(dict(reversed(feeds.items())), specs, subject="run x")


@given(SPECS, st.data())
def test_any_one_deviation_is_refused(specs, data):
    feeds = feeds_for(specs)
    name = data.draw(st.sampled_from(sorted(feeds)))
    deviation = data.draw(st.sampled_from(["missing", "shape", "dtype", "more"]))
    if deviation == "missing":
        del feeds[name]
    elif deviation == "shape":
        feeds[name] = feeds[name][np.newaxis]
    elif deviation == "dtype":
        feeds[name] = feeds[name].astype("float64")
    else:
        feeds["another"] = feeds[name]
    with pytest.raises(InferenceError, match=r"^run x.*: expected .*, got .*"):
        check_feeds(feeds, specs, subject="run x")
