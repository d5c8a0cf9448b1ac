"""Which of four kinds of image some bytes begin, and how large: they say so themselves, not their sender."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO

import imagesize

MOST_PIXELS = 50_000_000
"""A few KB can be an image that takes a browser's whole memory; what is larger is a file like any other."""
_BEGINS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}


@dataclass(frozen=True)
class Image:
    """Its size is the one that is shown: a camera that was held upright says so beside the size."""

    media_type: str
    width: int
    height: int

    @classmethod
    def of(cls, start: bytes) -> Image | None:
        """What begins with these bytes; None when it is no image, or does not say its size in them."""
        for media_type, begins in _BEGINS.items():
            if begins.match(start):
                width, height = imagesize.get(BytesIO(start))
                if width > 0 and 0 < width * height <= MOST_PIXELS:
                    return cls(media_type, width, height)
        return None
