"""Readers of streams after a restore: none may take what comes now for what it has already."""

from sqlalchemy import Connection, Engine, insert, inspect, select, update

from models.project import Project
from models.stream import Stream
from models.user import User

BEYOND = 10**6
"""Farther than any page is ahead of the backup, so that each is told `reset` and loads anew (I2)."""

_table = Stream.__table__


def heads(engine: Engine) -> dict[str, int]:
    """Where each stream stands; none in an empty database."""
    if not inspect(engine).has_table(_table.description):
        return {}
    with engine.connect() as connection:
        return _heads(connection)


def send_back(engine: Engine, before: dict[str, int]) -> None:
    """Let every stream go on beyond where it stood before, and leave nothing to catch up from there."""
    with engine.begin() as connection:
        restored = _heads(connection)
        for name in sorted({*before, *restored, *_names(connection)}):
            at = max(before.get(name, 0), restored.get(name, 0)) + BEYOND
            if name in restored:
                raising = update(Stream).where(Stream.name == name).values(head=at, floor=at)
                connection.execute(raising)
            else:
                connection.execute(insert(Stream).values(name=name, head=at, floor=at))


def _heads(connection: Connection) -> dict[str, int]:
    return {name: at for name, at in connection.execute(select(Stream.name, Stream.head))}


def _names(connection: Connection) -> list[str]:
    """Every stream that may have a reader, though the backup is of a time when nothing was on it."""
    projects = connection.scalars(select(Project.id)).all()
    people = connection.scalars(select(User.id)).all()
    return [
        f"{kind}:{each}"
        for kind, ids in (("project", projects), ("admin", projects), ("user", people))
        for each in ids
    ]
