"""What an image is, and how large, from its first bytes."""

import struct

import pytest

from models.image import MOST_PIXELS, Image
from tests import factories


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\xf7\0\0"


def part(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def exif(orientation: int, order: str) -> bytes:
    """Two entries, of which the second says how the camera was held."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    other = struct.pack(f"{order}HHII", 0x010F, 2, 1, 0)
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return part(0xE1, b"Exif\0\0" + start + struct.pack(f"{order}IH", 8, 2) + other + entry)


def jpeg(width: int, height: int, *parts: bytes, frame: int = 0xC0) -> bytes:
    size = struct.pack(">BHHB", 8, height, width, 3)
    return b"\xff\xd8" + b"".join((part(0xE0, b"JFIF\0"), *parts, part(0xC4, b"x" * 9), part(frame, size)))


def webp(kind: bytes, data: bytes) -> bytes:
    return b"RIFF\x20\0\0\0WEBP" + kind + struct.pack("<I", len(data)) + data


def three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(640, 480), "png"),
        (gif(640, 480), "gif"),
        (jpeg(640, 480), "jpeg"),
        (jpeg(640, 480, frame=0xC2), "jpeg"),
        (jpeg(640, 480, exif(1, ">")), "jpeg"),
        (jpeg(480, 640, exif(6, ">")), "jpeg"),
        (jpeg(480, 640, exif(8, "<")), "jpeg"),
        (jpeg(640, 480, part(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")), "jpeg"),
        (jpeg(640, 480, part(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff")), "jpeg"),
        (webp(b"VP8X", b"\0\0\0\0" + three(639) + three(479)), "webp"),
        (webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)), "webp"),
        (webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)), "webp"),
    ],
)
def test_four_kinds_say_their_size(data: bytes, kind: str) -> None:
    assert Image.of(data + b"and the rest") == Image(f"image/{kind}", 640, 480)


def test_a_whole_image_is_known() -> None:
    assert Image.of(factories.PNG) == Image("image/png", 1, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain words",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"BM\0\0\0\0",
        b" " + png(640, 480),
        png(0, 480),
        png(640, 480)[:20],
        b"\x89PNG\r\n\x1a\n" + b"x" * 40,
        png(MOST_PIXELS, 2),
        gif(0, 0),
        b"GIF89a",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\0\0" * 40,
        b"\xff\xd8\xff<script>alert(1)</script>",
        webp(b"ABCD", b"x" * 20),
        b"RIFF\x20\0\0\0WAVEfmt ",
    ],
)
def test_anything_else_is_no_image(data: bytes) -> None:
    assert Image.of(data) is None
