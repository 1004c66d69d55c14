import pytest

from edgert.backends import BACKENDS, open_backend
from edgert.errors import BackendError


def test_unknown_backend_names_the_ones_there_are():
    with pytest.raises(BackendError, match="'tpu'") as error:
        open_backend("tpu")
    assert all(name in str(error.value) for name in BACKENDS)


@pytest.mark.parametrize("name", BACKENDS)
def test_table_names_the_backend_as_it_names_itself(name):
    assert open_backend(name).name == name


def test_options_reach_the_backend():
    assert open_backend("onnxruntime", threads=3).threads == 3
