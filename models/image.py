"""Which of four kinds of image some bytes begin, and how large: they say so themselves, not their sender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOST_PIXELS = 50_000_000
"""A few KB can be an image that takes a browser's whole memory; what is larger is a file like any other."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The parts of a JPEG that say its size."""


@dataclass(frozen=True)
class Image:
    media_type: str
    width: int
    height: int

    @classmethod
    def of(cls, start: bytes) -> Image | None:
        """What begins with these bytes; None when it is no image, or does not say its size in them."""
        for media_type, begins, size_of in _KINDS:
            if begins(start):
                width, height = size_of(start) or (0, 0)
                if 0 < width * height <= MOST_PIXELS:
                    return cls(media_type, width, height)
        return None


def _of_png(data: bytes) -> tuple[int, int] | None:
    return (_big(data[16:20]), _big(data[20:24])) if data[12:16] == b"IHDR" and len(data) >= 24 else None


def _of_gif(data: bytes) -> tuple[int, int]:
    return _little(data[6:8]), _little(data[8:10])


def _of_webp(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8X":
            return _little(data[24:27]) + 1, _little(data[27:30]) + 1
        case b"VP8L":
            bits = _little(data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
    return None


def _of_jpeg(data: bytes) -> tuple[int, int] | None:
    """As it is shown: a camera that was held upright says so beside the size."""
    upright = False
    for marker, part in _parts(data):
        if marker == 0xE1 and part.startswith(b"Exif\0\0"):
            upright = _orientation(part[6:]) >= 5
        elif marker in _FRAMES:
            height, width = _big(part[1:3]), _big(part[3:5])
            return (height, width) if upright else (width, height)
    return None


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        length = _big(data[at + 2 : at + 4])
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def _orientation(tiff: bytes) -> int:
    """The first directory's entry 0x0112; 1, which is as it lies, where there is none."""
    number = _little if tiff[:2] == b"II" else _big
    at = number(tiff[4:8])
    for entry in range(at + 2, at + 2 + 12 * number(tiff[at : at + 2]), 12):
        if len(tiff) < entry + 12:
            break
        if number(tiff[entry : entry + 2]) == 0x0112:
            return number(tiff[entry + 8 : entry + 10])
    return 1


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


_KINDS = (
    ("image/png", lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), _of_png),
    ("image/jpeg", lambda data: data.startswith(b"\xff\xd8\xff"), _of_jpeg),
    ("image/gif", lambda data: data.startswith((b"GIF87a", b"GIF89a")), _of_gif),
    ("image/webp", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _of_webp),
)
