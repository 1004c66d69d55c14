"""How verbs take pictures from what the operator names: a video, a camera, a folder."""

from pathlib import Path
from typing import Any

from edgert.errors import UsageError

_READ_AT_MOST = 300  # frames of a video that pictures are picked from


def read_pictures(source: str, count: int) -> list[Any]:
    """Pictures (H, W, 3) spread over a folder or over the first frames of a video."""
    from edgert.profiling.dataset import evenly, image_files, read_image
    from edgert.video.source import open_source

    if Path(source).is_dir():
        pictures = [read_image(path) for path in evenly(image_files(Path(source)), count)]
    else:
        video = open_source(source, max_frames=_READ_AT_MOST)
        try:
            images = []
            while (frame := video.read()) is not None:
                images.append(frame.image)
        finally:
            video.close()
        pictures = evenly(images, count)
    if not pictures:
        raise UsageError(
            f"--frames {source}", expected="pictures", got="none", advice="Name another source"
        )
    return pictures
