"""Places where a fault test lets the process die, as kill -9 would."""

import os
from collections import Counter

KILLED = 137

_armed: tuple[str, int] | None = None
_passed: Counter[str] = Counter()


def arm(spec: str) -> None:
    """`name` dies there at the first pass, `name:3` at the third; an empty spec never."""
    global _armed
    name, _, nth = spec.partition(":")
    _armed = (name, int(nth or 1)) if name else None
    _passed.clear()


def crashpoint(name: str) -> None:
    """Die here if a test armed this place: nothing is flushed, closed or given back."""
    if _armed is None or _armed[0] != name:
        return
    _passed[name] += 1
    if _passed[name] == _armed[1]:
        os._exit(KILLED)
