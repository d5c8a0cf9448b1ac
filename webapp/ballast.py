"""Room kept for signing in when the disk is full: files beside a SQLite database, let go one by one."""

import os
from pathlib import Path

from sqlalchemy import make_url

PIECES = 32
PIECE_BYTES = 256 << 10


def folder(database_url: str) -> Path | None:
    """Where the pieces lie; None on PostgreSQL, whose disk is not ours."""
    url = make_url(database_url)
    return Path(f"{url.database}.ballast") if url.get_backend_name() == "sqlite" else None


def lay(database_url: str) -> None:
    """Fill up what is missing; a disk that is full already gets none."""
    place = folder(database_url)
    if place is None:
        return
    place.mkdir(exist_ok=True)
    for number in range(PIECES):
        path = place / str(number)
        if path.exists():
            continue
        try:
            _write(path)
        except OSError:
            path.unlink(missing_ok=True)
            return


def _write(path: Path) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, PIECE_BYTES)


def let_go(database_url: str) -> bool:
    """Give one piece back to the disk; False when none is left."""
    place = folder(database_url)
    if place is None or not place.is_dir():
        return False
    for path in sorted(place.iterdir()):
        path.unlink(missing_ok=True)
        return True
    return False
