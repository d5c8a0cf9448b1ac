"""What skills find where they run: system, programs, variables, and the project's configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SKILLS = "skills"
"""Below which the configuration says of each skill whether it is switched on, as `skills.entries.<key>`."""


@dataclass(frozen=True)
class Surroundings:
    """Of the executor, not of whoever asks. Nothing is remembered: each question looks again."""

    project_key: str
    path: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """What skills are given, which is not what the worker itself has."""
    config: Mapping[str, Any] = field(default_factory=dict)
    system: str = sys.platform
    endings: tuple[str, ...] = (".COM", ".EXE", ".BAT", ".CMD") if sys.platform == "win32" else ()
    """With which a program's file may end, besides its name alone (PATHEXT of Windows)."""

    def has_program(self, name: str) -> bool:
        """Whether a file of this name that may be run is on the PATH; a folder of the name is none."""
        return any(
            _is_program(os.path.join(folder, f"{name}{ending}"))
            for folder in self.path.split(os.pathsep)
            if os.path.isabs(folder)
            for ending in ("", *self.endings)
        )

    def has_variable(self, name: str) -> bool:
        return bool(self.variables.get(name, "").strip())

    def is_configured(self, path: str) -> bool:
        """Whether something stands there: no blank text, no 0, not false, nothing empty."""
        value: Any = self.config
        for part in path.split("."):
            if not isinstance(value, Mapping):
                return False
            value = value.get(part)
        return bool(value.strip()) if isinstance(value, str) else bool(value)

    def is_off(self, key: str) -> bool:
        """Whether the project switched this skill off. To switch it on lends it nothing that it lacks."""
        skills = self.config.get(SKILLS)
        entries = skills.get("entries") if isinstance(skills, Mapping) else None
        entry = entries.get(key) if isinstance(entries, Mapping) else None
        return isinstance(entry, Mapping) and entry.get("enabled") is False


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
