"""What a model card says of the licence is found, and silence is told as such."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.families.licence import licence_from_card

CARD = """---
license: other
license_name: own-terms
license_link: https://example.org/LICENSE
tags: [vision]
---

# A model

Some words.

### License

The license is [here](https://example.org/LICENSE).
Not for sale.

#### Exceptions

None.

### Citation

Nobody.
"""


def test_metadata_and_the_section_are_read():
    licence = licence_from_card("owner/model", CARD)
    assert licence.name == "other, own-terms"
    assert licence.link == "https://example.org/LICENSE"
    assert "Not for sale." in licence.text
    assert "None." in licence.text  # a heading below it belongs to it
    assert "Nobody" not in licence.text
    assert licence.line == "owner/model: other, own-terms (https://example.org/LICENSE)"
    for part in ("owner/model", "other, own-terms", "https://example.org/LICENSE", "Not for sale"):
        assert part in licence.full


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\nlicense: [mit, apache-2.0]\n---\nwords", "mit, apache-2.0"),
        ("---\nlicense_name: own\n---\n", "own"),
        ("---\nlicense: {a: b}\n---\n", "{'a': 'b'}"),
        ("---\ntags: [x]\n---\n", ""),
        ("---\n- license\n---\n", ""),
        ("---\nlicense: [\n---\n", ""),
        ("license: mit", ""),
        ("", ""),
    ],
)
def test_metadata_of_any_kind(card, name):
    assert licence_from_card("x", card).name == name


def test_silence_is_told_and_is_no_licence():
    licence = licence_from_card("owner/model", "# A model\n")
    assert "none stated" in licence.full
    assert licence.line == "owner/model: no licence in the card's metadata"
    assert licence.text == ""


def test_british_spelling_and_terms_are_found_too():
    card = "## Licence\nA\n## Other\nB\n## Terms of use\nC\n"
    text = licence_from_card("x", card).text
    assert "A" in text
    assert "C" in text
    assert "B" not in text


@given(st.text(max_size=400))
def test_no_card_breaks_the_reader(card):
    licence = licence_from_card("x", f"---\n{card}\n---\n{card}")
    assert "\n" not in licence.line


def test_a_card_cannot_hide_its_words_from_who_reads_them_in_a_terminal():
    card = "---\nlicense: 'o\u202ether'\n---\n## License\nPay.\x1b[1A\x1b[2K\rFree.\x9b2K\n"
    licence = licence_from_card("x", card)
    assert licence.name == "other"
    assert "Pay.[1A[2KFree.2K" in licence.full
    assert not set(licence.full) & set("\x1b\r\x9b\u202e")


def test_a_text_without_end_is_cut_and_says_so():
    full = licence_from_card("x", "## License\n" + "word " * 40_000).full
    assert len(full) < 61_000
    assert full.endswith("(cut here; the rest is in the model's files)")
