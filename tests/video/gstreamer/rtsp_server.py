"""A real RTSP server to test against, as a program of its own: it can be killed like a camera.

    python tests/video/gstreamer/rtsp_server.py [--port N] [--clip FILE.mp4] [--size 320x240]
        [--fps 15] [--codec h264|h265] [--user NAME:PASSWORD]

It serves rtsp://127.0.0.1:PORT/test through libgstrtspserver: a moving test picture, or a clip.
It says "ready URI" on stdout, then obeys lines on stdin and answers each with "did LINE":

    stall        clients stay connected and get no more pictures
    go           pictures again
    size WxH     another resolution, within the same connection
    end          the stream ends, as a file's does
    drop         every client is thrown out
    quit         also at the end of stdin

Tests use `RtspServer`. This file has its own bindings: it must not share a fault with what it
is to test.
"""

import argparse
import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from ctypes import CFUNCTYPE, c_char_p, c_int, c_uint, c_ulong, c_void_p

import pytest

NEEDED = ("libgstreamer-1.0.so.0", "libgstrtspserver-1.0.so.0", "libgobject-2.0.so.0")
PACKAGES = (
    "libgstrtspserver-1.0-0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-ugly gstreamer1.0-libav"
)
EVERYONE = b"anonymous"
_REMOVE = 0  # GST_RTSP_FILTER_REMOVE
_CONFIGURE = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)
_FILTER = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)
_ENCODERS = {
    # Of pictures in slices, as zerolatency makes them, FFmpeg's RTSP client shows one slice.
    "h264": "x264enc tune=zerolatency sliced-threads=false speed-preset=ultrafast "
    "key-int-max={fps} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} "
    "! h265parse ! rtph265pay name=pay0 pt=96 config-interval=1",
}


def caps(size, fps):
    width, height = size.split("x")
    return f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"


def launch(asked):
    """What the server runs for its clients, in gst-launch's words."""
    if asked.clip:
        quoted = str(asked.clip).replace('"', '\\"')
        return (
            f'( filesrc location="{quoted}" ! qtdemux ! h264parse ! valve name=gate '
            "! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )
    return (
        "( videotestsrc is-live=true pattern=ball ! capsfilter name=size "
        f'caps="{caps(asked.size, asked.fps)}" ! valve name=gate '
        f"! {_ENCODERS[asked.codec].format(fps=asked.fps)} )"
    )


class Libraries:
    """The functions needed, with their types."""

    def __init__(self):
        gst, server, gobject = (ctypes.CDLL(name) for name in NEEDED)
        pointer, text = c_void_p, c_char_p
        for library, name, result, *arguments in (
            (gst, "gst_init_check", c_int, pointer, pointer, pointer),
            (gst, "gst_bin_get_by_name", pointer, pointer, text),
            (gst, "gst_event_new_eos", pointer),
            (gst, "gst_element_send_event", c_int, pointer, pointer),
            (gst, "gst_util_set_object_arg", None, pointer, text, text),
            (gst, "gst_structure_from_string", pointer, text, pointer),
            (gst, "gst_object_unref", None, pointer),
            (gobject, "g_signal_connect_data", c_ulong, *[pointer, text] + [pointer] * 3, c_int),
            (gobject, "g_object_ref", pointer, pointer),
            (gobject, "g_object_unref", None, pointer),
            (gobject, "g_main_context_iteration", c_int, pointer, c_int),
            (gobject, "g_main_context_wakeup", None, pointer),
            (server, "gst_rtsp_server_new", pointer),
            (server, "gst_rtsp_server_set_address", None, pointer, text),
            (server, "gst_rtsp_server_set_service", None, pointer, text),
            (server, "gst_rtsp_server_set_auth", None, pointer, pointer),
            (server, "gst_rtsp_server_get_mount_points", pointer, pointer),
            (server, "gst_rtsp_server_attach", c_uint, pointer, pointer),
            (server, "gst_rtsp_server_get_bound_port", c_int, pointer),
            (server, "gst_rtsp_server_client_filter", pointer, pointer, pointer, pointer),
            (server, "gst_rtsp_mount_points_add_factory", None, pointer, text, pointer),
            (server, "gst_rtsp_media_factory_new", pointer),
            (server, "gst_rtsp_media_factory_set_launch", None, pointer, text),
            (server, "gst_rtsp_media_factory_set_shared", None, pointer, c_int),
            (server, "gst_rtsp_media_factory_add_role_from_structure", None, pointer, pointer),
            (server, "gst_rtsp_media_get_element", pointer, pointer),
            (server, "gst_rtsp_auth_new", pointer),
            (server, "gst_rtsp_auth_make_basic", pointer, text, text),
            (server, "gst_rtsp_auth_add_basic", None, pointer, pointer, pointer),
            (server, "gst_rtsp_token_new_empty", pointer),
            (server, "gst_rtsp_token_set_string", None, pointer, text, text),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)


class Server:
    """One mount point, /test; everything happens in the thread that calls `serve`."""

    def __init__(self, asked):
        self.call = Libraries()
        self.call.gst_init_check(None, None, None)
        self.asked = asked
        self.stalled = False
        self.size = asked.size
        self.bin = None
        self.commands = queue.Queue()
        self.on_configure = _CONFIGURE(self.configure)
        self.on_client = _FILTER(lambda *_: _REMOVE)
        self.server = self.call.gst_rtsp_server_new()
        self.call.gst_rtsp_server_set_address(self.server, b"127.0.0.1")
        self.call.gst_rtsp_server_set_service(self.server, str(asked.port).encode())
        self.add_factory()
        if asked.user:
            self.demand_password(*asked.user.split(":", 1))

    def add_factory(self):
        call = self.call
        factory = call.gst_rtsp_media_factory_new()
        call.gst_rtsp_media_factory_set_launch(factory, launch(self.asked).encode())
        call.gst_rtsp_media_factory_set_shared(factory, 1)
        if self.asked.user:
            role = call.gst_structure_from_string(
                b"viewer, media.factory.access=(boolean)true, "
                b"media.factory.construct=(boolean)true;",
                None,
            )
            call.gst_rtsp_media_factory_add_role_from_structure(factory, role)
        call.g_signal_connect_data(
            factory, b"media-configure", ctypes.cast(self.on_configure, c_void_p), None, None, 0
        )
        mounts = call.gst_rtsp_server_get_mount_points(self.server)
        call.gst_rtsp_mount_points_add_factory(mounts, b"/test", factory)
        call.g_object_unref(mounts)

    def demand_password(self, user, password):
        call = self.call
        auth = call.gst_rtsp_auth_new()
        token = call.gst_rtsp_token_new_empty()
        call.gst_rtsp_token_set_string(token, b"media.factory.role", b"viewer")
        basic = call.gst_rtsp_auth_make_basic(user.encode(), password.encode())
        call.gst_rtsp_auth_add_basic(auth, basic, token)
        call.gst_rtsp_server_set_auth(self.server, auth)
        call.g_object_unref(auth)

    def configure(self, _factory, media, _data):
        if self.bin:
            self.call.g_object_unref(self.bin)
        self.bin = self.call.gst_rtsp_media_get_element(media)  # a reference of our own
        self.apply()

    def apply(self):
        """Tell the pipeline that runs, if one does, what was asked for."""
        if self.bin:
            self.set_property(b"gate", b"drop", b"true" if self.stalled else b"false")
            self.set_property(b"size", b"caps", caps(self.size, self.asked.fps).encode())

    def set_property(self, element, name, value):
        found = self.call.gst_bin_get_by_name(self.bin, element)
        if found:
            self.call.gst_util_set_object_arg(found, name, value)
            self.call.gst_object_unref(found)

    def obey(self, line):
        word, _, rest = line.partition(" ")
        if word in ("stall", "go"):
            self.stalled = word == "stall"
            self.apply()
        elif word == "size":
            self.size = rest
            self.apply()
        elif word == "end" and self.bin:
            self.call.gst_element_send_event(self.bin, self.call.gst_event_new_eos())
        elif word == "drop":
            self.call.gst_rtsp_server_client_filter(
                self.server, ctypes.cast(self.on_client, c_void_p), None
            )
        print(f"did {line}", flush=True)

    def listen(self):
        """The thread that reads stdin."""
        for line in sys.stdin:
            self.commands.put(line.strip())
            self.call.g_main_context_wakeup(None)
        self.commands.put("quit")
        self.call.g_main_context_wakeup(None)

    def serve(self):
        if not self.call.gst_rtsp_server_attach(self.server, None):
            raise SystemExit(f"port {self.asked.port} is taken")
        port = self.call.gst_rtsp_server_get_bound_port(self.server)
        print(f"ready rtsp://127.0.0.1:{port}/test", flush=True)
        threading.Thread(target=self.listen, daemon=True).start()
        while True:
            self.call.g_main_context_iteration(None, 1)
            with contextlib.suppress(queue.Empty):
                while (line := self.commands.get_nowait()) != "quit":
                    self.obey(line)
                print("did quit", flush=True)
                os._exit(0)  # as a camera that loses its power: no goodbye


class RtspServer:
    """The program above, as a test uses it.

    Args:
        options: As on its command line: port=, clip=, size=, fps=, codec=, user=.

    Attributes:
        uri: Where it serves, without user and password.
    """

    def __init__(self, **options):
        words = [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, __file__, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.uri = self._expect("ready ").removeprefix("ready ")

    @property
    def port(self):
        return int(self.uri.rsplit(":", 1)[1].split("/")[0])

    def uri_with(self, user):
        """The address with NAME:PASSWORD in it."""
        return self.uri.replace("rtsp://", f"rtsp://{user}@")

    def tell(self, line):
        """One of the commands; returns when it was obeyed."""
        self._process.stdin.write(line + "\n")
        self._expect(f"did {line}")

    def freeze(self):
        """The whole machine hangs: not even TCP's other end answers."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self):
        """End without a word to anybody; does nothing the second time."""
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.strip())
        self._lines.put("ended")

    def _expect(self, beginning, limit_s=20.0):
        line = self._lines.get(timeout=limit_s)
        if not line.startswith(beginning):
            raise RuntimeError(f"expected {beginning!r} of the RTSP server, got {line!r}")
        return line


def needs_rtsp_server():
    """Skip, loudly, where the libraries of the server are missing."""
    for name in NEEDED:
        try:
            ctypes.CDLL(name)
        except OSError as error:
            pytest.skip(f"no RTSP server to test against ({error}): apt-get install {PACKAGES}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--clip")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--codec", choices=sorted(_ENCODERS), default="h264")
    parser.add_argument("--user", help="NAME:PASSWORD")
    Server(parser.parse_args()).serve()


if __name__ == "__main__":
    main()
