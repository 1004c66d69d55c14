"""A choice by name, or one line that lists the names."""

import pytest

from edgert.choice import chosen
from edgert.errors import BackendError

TABLE = {"here": 1, "there": 2}


def test_what_the_table_has_is_found():
    assert chosen(TABLE, "there", "choose a place", BackendError) == 2


def test_what_it_has_not_is_one_line_of_the_asked_kind():
    with pytest.raises(BackendError) as caught:
        chosen(TABLE, "nowhere", "choose a place", BackendError, advice="Stay")
    assert str(caught.value) == "choose a place: expected one of here, there, got 'nowhere'. Stay."
