"""Trees lie in memory, where a refresh is quick."""

import shutil

import pytest

from edgert.emulator.tree_files import memory_folder


@pytest.fixture
def tree_folder():
    folder = memory_folder("edgert-test-")
    yield folder
    shutil.rmtree(folder)
