"""Files that break off anywhere, and real HTTP on this machine."""

import functools
import http.server
import socket
import threading
import traceback

import av
import pytest

from edgert.clock import MonotonicClock
from edgert.errors import VideoError
from edgert.video.connection import Connection
from edgert.video.damage import is_cut_off
from edgert.video.decode import PyavDecoder
from edgert.video.source import open_source
from edgert.video.uri import parse_uri
from tests.video.clips import read_all, remux, write_clip
from tests.video.waiting import in_time

SECRET = "hunter2"
COUNT = 60
# Of the pictures' bytes; all inside a frame, as 60 frames share some ten thousand bytes.
SHARES = (0.15, 0.33, 0.5, 0.68, 0.9, 0.999)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", COUNT)


@pytest.fixture(scope="module")
def plain(clip):
    """The index comes first, so that a part of the file can be read."""
    return remux(clip, clip.with_name("plain.mp4"), movflags="faststart")


@pytest.fixture(scope="module")
def fragmented(clip):
    return remux(clip, clip.with_name("frag.mp4"), movflags="frag_keyframe+empty_moov")


def cut_inside(path, target, share):
    """The file up to `share` of its pictures' bytes, and how many whole packets that holds."""
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    total = sum(size for _, size in packets)
    before = 0
    for whole, (place, size) in enumerate(packets):
        if before + size > share * total:
            middle = place + max(1, size // 2)
            target.write_bytes(path.read_bytes()[:middle])
            return whole
        before += size
    raise AssertionError("the cut lies behind the last packet")


def frames_and_damage(uri, **options):
    with open_source(str(uri), **options) as source:
        frames = in_time(lambda: read_all(source))
        return frames, source.damage


# ------------------------------------------------------------- cut files


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", ["plain", "fragmented"])
def test_a_file_cut_inside_a_frame_gives_all_whole_frames_and_one_line(
    request, tmp_path, kind, share
):
    target = tmp_path / "cut.mp4"
    whole = cut_inside(request.getfixturevalue(kind), target, share)
    frames, damage = frames_and_damage(target)
    assert len(frames) == whole
    assert [f.index for f in frames] == list(range(whole))
    times_s = [f.time_s for f in frames]
    # Where the cut takes a frame that others were to be shown before, a gap remains.
    assert times_s == sorted(set(times_s))
    assert times_s[0] == 0.0
    assert times_s[-1] <= (COUNT - 1) / 25 + 1e-9
    assert f"near frame {whole}" in damage
    assert "\n" not in damage


def test_any_cut_ends_in_frames_and_a_line_or_in_a_refusal(plain, fragmented, tmp_path):
    target = tmp_path / "cut.mp4"
    refusals = []
    for path in (plain, fragmented):
        data = path.read_bytes()
        for length in range(0, len(data) - 1, len(data) // 23):
            target.write_bytes(data[:length])
            try:
                frames, damage = frames_and_damage(target)
            except VideoError as error:
                refusals.append(str(error))
                continue
            assert frames
            assert damage or not is_cut_off(target), (path.name, length)
    assert 2 <= len(refusals) <= 12
    assert not any("\n" in line for line in refusals)


def test_what_is_cut_behind_the_last_frame_has_all_frames_and_is_told(fragmented, tmp_path):
    target = tmp_path / "cut.mp4"
    target.write_bytes(fragmented.read_bytes()[:-8])
    frames, damage = frames_and_damage(target)
    assert len(frames) == COUNT
    assert "cut off" in damage


def test_a_cut_file_in_a_loop_keeps_its_damage_and_goes_on(plain, tmp_path):
    target = tmp_path / "cut.mp4"
    whole = cut_inside(plain, target, 0.5)
    frames, damage = frames_and_damage(target, loops=3)
    assert [f.index for f in frames] == list(range(3 * whole))
    assert "damaged in 1 place" in damage


def test_a_file_that_vanishes_between_loops_ends_with_a_line(clip, tmp_path):
    path = tmp_path / "gone.mp4"
    path.write_bytes(clip.read_bytes())
    address = parse_uri(str(path))
    opened = Connection(address, lambda: PyavDecoder(address), loops=2, clock=MonotonicClock())
    path.unlink()  # what is open stays readable
    assert len(list(opened.frames())) == COUNT
    assert "no such file" in opened.damage


# ------------------------------------------------------------- HTTP


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class BreaksOff(Quiet):
    """Promises the whole file and hangs up after a part of it."""

    def do_GET(self):
        with open(self.translate_path(self.path), "rb") as file:
            data = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) * 6 // 10])


class Endless(Quiet):
    """Says no length, as a camera does."""

    def do_GET(self):
        with open(self.translate_path(self.path), "rb") as file:
            data = file.read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def serve(clip):
    servers = []

    def start(handler=Quiet):
        made = functools.partial(handler, directory=str(clip.parent))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://me:{SECRET}@127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(10.0)


@pytest.mark.parametrize("kind", ["plain", "fragmented"])
def test_a_file_is_played_over_http_like_from_disk(serve, kind, request):
    path = request.getfixturevalue(kind)
    with open_source(f"{serve()}/{path.name}", loops=2) as source:
        frames = in_time(lambda: read_all(source))
        assert not source.live
        assert SECRET not in source.uri
        assert source.damage is None
    assert [f.index for f in frames] == list(range(2 * COUNT))


def test_a_file_without_a_duration_is_not_taken_for_a_camera(serve, clip):
    """A transport stream says no duration. Taken as live it would be played again for ever."""
    path = remux(clip, clip.with_name("stream.ts"))
    frames, _ = frames_and_damage(f"{serve()}/{path.name}")
    assert len(frames) == COUNT


def test_what_has_neither_duration_nor_length_is_live(serve, clip):
    path = remux(clip, clip.with_name("camera.ts"))
    with open_source(f"{serve(Endless)}/{path.name}") as source:
        assert source.live
        assert in_time(source.read) is not None


def test_a_transfer_that_breaks_off_gives_its_frames_and_a_line(serve, plain):
    frames, damage = frames_and_damage(f"{serve(BreaksOff)}/{plain.name}")
    assert 20 <= len(frames) < COUNT
    assert "Input/output error" in damage
    assert SECRET not in damage


def test_a_missing_page_and_a_missing_server_are_one_line_without_credentials(serve):
    with socket.socket() as lent:
        lent.bind(("127.0.0.1", 0))
        closed = f"me:{SECRET}@127.0.0.1:{lent.getsockname()[1]}/x"
        cases = {f"{serve()}/none.mp4": "404", f"http://{closed}": "refused",
                 f"rtsp://{closed}": "refused"}  # fmt: skip
        for uri, got in cases.items():
            with pytest.raises(VideoError) as caught:
                in_time(lambda uri=uri: open_source(uri))
            told = "".join(traceback.format_exception(caught.value))
            assert got in str(caught.value)
            assert "\n" not in str(caught.value)
            assert SECRET not in told.replace(repr(SECRET), "")


def test_a_server_that_never_answers_is_given_up():
    """With the limits shortened; that they are set at all is seen in test_source."""

    def impatient(target, **options):
        return av.open(target, **{**options, "timeout": (0.2, 0.2)})

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/x.mp4"
        with pytest.raises(VideoError, match="no answer in time"):
            in_time(lambda: open_source(uri, open_container=impatient))


# ------------------------------------------------------------- closing


def test_close_returns_promptly_while_the_queue_is_full_and_again_afterwards(clip):
    source = open_source(str(clip), loops=1000)
    assert source.read().index == 0
    in_time(source.close, 10.0)
    in_time(source.close, 10.0)
    assert source.read() is None


def test_latest_over_a_file_counts_what_it_leaves_out(clip):
    """A clock that leaps makes every frame due at once."""

    class Leaping(MonotonicClock):
        leaps = 0

        def now_s(self):
            self.leaps += 1
            return 1000.0 * self.leaps

    with open_source(str(clip), policy="latest", clock=Leaping()) as source:
        frames = in_time(lambda: read_all(source))
        assert len(frames) + source.dropped == COUNT
    assert frames[-1].index == COUNT - 1
