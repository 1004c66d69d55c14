"""Which of the published sizes a model, or a name, is of."""

import pytest

from edgert.families.segformer_sizes import SIZES, size_in_name, size_of


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("nvidia/segformer-b2-finetuned-ade-512-512", "b2"),
        ("nvidia/SegFormer-B0-finetuned-cityscapes-1024-1024", "b0"),
        ("nvidia/segformer-b5", "b5"),
        ("somebody/segformer-b7-finetuned", ""),
        ("somebody/segformer-b22", ""),
        ("somebody/mit-b2", ""),
        ("", ""),
    ],
)
def test_the_size_that_a_name_speaks_of(source, size):
    assert size_in_name(source) == size


@pytest.mark.parametrize("name", SIZES)
def test_a_size_is_known_by_its_numbers(name):
    size = SIZES[name]
    assert size_of(list(size.depths), list(size.embed_dims), size.decoder_dim) == name
    assert size_of([*size.depths[:-1], 9], size.embed_dims, size.decoder_dim) == ""
    assert size_of(size.depths, size.embed_dims, 100) == ""
