"""One tiny supernet with its pictures for all tests of the search."""

import pytest

from tests.search.subnets.supernet_family import (
    make_supernet_family,
    write_labelled,
    write_pictures,
)


@pytest.fixture(scope="session")
def supernet_root(tmp_path_factory):
    """A folder with fam/, cal/ (24 pictures) and val/ (40 in their class's folder)."""
    root = tmp_path_factory.mktemp("supernet")
    make_supernet_family(root / "fam")
    write_pictures(root / "cal", first=0, count=24)
    write_labelled(root / "val", root / "fam", first=100, count=40)
    return root
