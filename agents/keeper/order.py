"""What a keeper is told to start: JSON after its length."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal

Confinement = Literal["program", "namespaces", "landlock", "nothing"]
"""`program`: what is started confines the command by itself."""


@dataclass(frozen=True)
class Order:
    argv: list[str]
    folder: str
    environment: dict[str, str]
    limits: dict[str, int]
    """By the name of the resource, as `AS` for RLIMIT_AS."""
    processes: int
    """More of this user than there are now; 0 where the command limits itself."""
    confinement: Confinement = "nothing"
    readable: list[str] = field(default_factory=list)
    writable: list[str] = field(default_factory=list)
    network: bool = False

    @property
    def wrapped(self) -> bool:
        """Whether our child is not the command but what holds it, and must not be asked to end before it."""
        return self.confinement in ("program", "namespaces")

    def written(self) -> bytes:
        text = json.dumps(asdict(self)).encode()
        return b"%08x" % len(text) + text

    @classmethod
    def read(cls, read: Callable[[int], bytes]) -> "Order | None":
        """None when whoever was to write it is gone."""
        size = _exactly(8, read)
        text = _exactly(int(size, 16), read) if size else b""
        return cls(**json.loads(text)) if text else None


def _exactly(size: int, read: Callable[[int], bytes]) -> bytes:
    found = b""
    while len(found) < size:
        part = read(size - len(found))
        if not part:
            return b""
        found += part
    return found
