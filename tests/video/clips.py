"""Small clips, and ways to damage them."""

import av
import numpy as np

from edgert.video.pattern import Pattern, pattern_frames
from edgert.video.sink import open_sink

SIZE = (64, 48)  # width, height


def images(count, width=SIZE[0], height=SIZE[1], seed=0):
    pattern = Pattern(width=width, height=height, frames=count, seed=seed)
    return [frame.image for frame in pattern_frames(pattern)]


def write_clip(path, count=30, *, fps=25.0, width=SIZE[0], height=SIZE[1]):
    with open_sink(path, fps=fps, width=width, height=height) as sink:
        for image in images(count, width, height):
            sink.write(image)
    return path


def read_all(source):
    return list(iter(source.read, None))


def remux(clip, target, **options):
    """The same packets in another container, chosen by the target's ending."""
    with av.open(str(clip)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return target


def cut(clip, share=0.6):
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * share)])
    return clip


def write_sound(path):
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = np.zeros((1, 800), np.int16)
        sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return path
