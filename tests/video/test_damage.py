"""Damage in words."""

import pytest

from edgert.video.damage import Damage, is_cut_off


def seen(packets, *, end_s=None):
    damage = Damage()
    for _ in range(packets):
        damage.see_packet()
        damage.see_frame(end_s)
    return damage


def test_a_sound_video_has_nothing_to_tell():
    assert seen(10, end_s=2.0).text(2.0) == ""
    assert seen(10, end_s=2.0).text(None) == ""
    assert Damage().text(5.0) == ""


def test_places_are_counted_and_the_first_one_is_named():
    damage = seen(7)
    damage.see_packet()
    damage.add()
    assert damage.text(None) == "damaged in 1 place, the first near frame 7"
    damage.see_packet()
    damage.add("bad header")
    damage.add()
    assert damage.text(None) == "damaged in 3 places, the first near frame 7 (bad header)"


def test_damage_before_the_first_frame_is_near_frame_0():
    damage = Damage()
    damage.see_packet()
    damage.add()
    damage.see_frame(0.0)
    damage.see_frame(1.0)
    assert "near frame 0" in damage.text(None)


def test_an_early_end_is_told_and_half_a_second_is_none():
    assert seen(3, end_s=1.0).text(4.0) == "the last frame is at 1.00 s of the declared 4.00 s"
    assert seen(3, end_s=3.6).text(4.0) == ""
    assert seen(3, end_s=None).text(4.0) == ""  # nobody knows where the frames stand


# ------------------------------------------------------------- the outermost boxes of an mp4


def box(kind, content=b""):
    return (8 + len(content)).to_bytes(4, "big") + kind + content


WHOLE = box(b"ftyp", b"isom") + box(b"mdat", bytes(100))


@pytest.mark.parametrize("length", range(13, len(WHOLE), 9))
def test_a_file_that_ends_inside_a_box_is_cut_off(tmp_path, length):
    path = tmp_path / "a.mp4"
    path.write_bytes(WHOLE[:length])
    assert is_cut_off(path)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE,
        WHOLE[:12],  # between two boxes: nothing is missing that a box promises
        box(b"ftyp") + (0).to_bytes(4, "big") + b"mdat" + bytes(50),
        box(b"ftyp") + (1).to_bytes(4, "big") + b"mdat" + (66).to_bytes(8, "big") + bytes(50),
        WHOLE + bytes(40),
        WHOLE + b"\xff\xd8\xff\xe0\x80\x81\x82\x83 something else",
        b"",
    ],
)
def test_a_whole_file_is_not(tmp_path, data):
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert not is_cut_off(path)
