"""Lists as skills write them: of texts, or one text with commas between."""

from typing import Any

SYSTEMS = {"macos": "darwin", "windows": "win32"}
"""Other words for what Python calls darwin and win32."""


def listed(said: Any) -> list[str]:
    """The texts, each once; ValueError where something else is among them."""
    if said is None:
        return []
    if isinstance(said, str):
        said = said.split(",")
    if not isinstance(said, list) or any(not isinstance(one, str) for one in said):
        raise ValueError("is no list of texts")
    return list(dict.fromkeys(text for one in said if (text := one.strip())))


def systems(said: Any) -> list[str]:
    """Operating systems by Python's names."""
    return [SYSTEMS.get(name.lower(), name.lower()) for name in listed(said)]
