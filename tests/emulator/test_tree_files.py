"""Files that a reader never meets half written."""

import errno

import pytest

from edgert.emulator.tree_files import TreeFiles, memory_folder


@pytest.fixture
def files(tmp_path):
    return TreeFiles(tmp_path)


def test_a_new_value_is_a_new_file_and_an_open_one_keeps_the_old(files, tmp_path):
    files.put("sys/a", 1)
    with (tmp_path / "sys/a").open() as old:
        files.put("sys/a", 22)
        assert old.read() == "1\n"
    assert (tmp_path / "sys/a").read_text() == "22\n"


def test_the_same_value_leaves_the_file_alone(files, tmp_path):
    files.put("a", 1)
    before = (tmp_path / "a").stat().st_ino
    files.put("a", 1)
    assert (tmp_path / "a").stat().st_ino == before


def test_no_reader_of_a_folder_meets_a_file_that_is_being_written(files, tmp_path):
    for value in range(50):
        files.put("sys/class/a", value)
    assert [path.name for path in (tmp_path / "sys/class").iterdir()] == ["a"]


def test_links_lead_to_the_tree_s_own_files(files, tmp_path):
    files.put("sys/devices/x/name", "ina3221")
    files.link("sys/class/hwmon/hwmon1", "sys/devices/x")
    assert (tmp_path / "sys/class/hwmon/hwmon1/name").read_text() == "ina3221\n"
    assert not (tmp_path / "sys/class/hwmon/hwmon1").readlink().is_absolute()


def test_a_held_file_keeps_its_value_until_it_is_let_go(files, tmp_path):
    files.put("a", 1)
    files.hold("a")
    files.put("a", 2)
    assert (tmp_path / "a").read_text() == "1\n"
    files.let_go("a")
    files.put("a", 1)
    assert (tmp_path / "a").read_text() == "1\n"


def test_an_emptied_file_is_written_by_the_next_put(files, tmp_path):
    files.put("a", 1)
    files.empty("a")
    assert (tmp_path / "a").read_bytes() == b""
    files.put("a", 1)
    assert (tmp_path / "a").read_text() == "1\n"


def test_a_removed_file_stays_away_until_it_is_let_go(files, tmp_path):
    files.put("a", 1)
    files.remove("a")
    files.remove("a")
    files.put("a", 1)
    assert not (tmp_path / "a").exists()
    files.let_go("a")
    files.put("a", 1)
    assert (tmp_path / "a").read_text() == "1\n"


def test_an_unreadable_file_is_there_and_fails_at_every_read(files, tmp_path):
    files.unreadable("temp")
    assert (tmp_path / "temp").is_file()
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error") as caught:
            (tmp_path / "temp").read_bytes()
        assert caught.value.errno == errno.EIO
    files.let_go("temp")
    files.put("temp", 3)
    assert (tmp_path / "temp").read_text() == "3\n"


def test_what_others_wrote_is_read(files, tmp_path):
    files.put("a", 1)
    (tmp_path / "a").write_text("64\n")
    assert files.text("a") == "64\n"
    assert files.text("missing") == ""


def test_the_staging_folder_goes_and_the_files_stay(files, tmp_path):
    files.put("a", 1)
    files.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_in_memory_is_made_where_there_is_memory(tmp_path):
    folder = memory_folder("tree-", place=tmp_path)
    assert folder.parent == tmp_path
    assert list(folder.iterdir()) == []


def test_without_it_a_folder_is_made_elsewhere(tmp_path):
    folder = memory_folder("tree-", place=tmp_path / "missing")
    assert folder.is_dir()
    folder.rmdir()
