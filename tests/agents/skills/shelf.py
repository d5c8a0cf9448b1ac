"""A workspace with skills in it, for tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.skills import catalogue
from agents.skills.catalogue import Catalogue, Found
from agents.skills.surroundings import Surroundings
from models.workspace import Workspace

GO = "sudo GOBIN=/usr/local/bin go install"
NPM = "sudo npm install --global --prefix /usr/local --ignore-scripts"
UV = "sudo UV_TOOL_DIR=/usr/local/lib/uv UV_TOOL_BIN_DIR=/usr/local/bin uv tool install"
DESCRIPTION = "Does one thing. Use it in tests."


class Shelf:
    """A workspace, an empty folder in place of what ships, and a PATH with nothing on it."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.shipped = root / "space", root / "bin", root / "shipped"
        for folder in (self.root / "skills", self.bin, self.shipped / "skills"):
            folder.mkdir(parents=True)

    def add(self, text: str, name: str = "tool", shipped: bool = False) -> Path:
        folder = (self.shipped if shipped else self.root) / "skills" / name
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(text)
        return folder

    def program(self, name: str, mode: int = 0o755) -> Path:
        path = self.bin / name
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
        return path

    def read(self, **here: Any) -> Catalogue:
        here = {"path": str(self.bin), "system": "linux"} | here
        around = Surroundings(project_key="oasis", **here)
        return catalogue.read(Workspace(self.root), around, Workspace(self.shipped))

    def only(self, **here: Any) -> Found:
        [found] = self.read(**here).skills
        return found


def as_block(manifest: dict[str, Any], namespace: str = "openclaw") -> str:
    """A SKILL.md with its metadata as block YAML."""
    return _whole("metadata:\n" + _yaml({namespace: manifest}, 2))


def as_flow(manifest: dict[str, Any], namespace: str = "openclaw") -> str:
    """The same with its metadata as JSON in one line."""
    return _whole("metadata: " + json.dumps({namespace: manifest}))


def as_json5(manifest: dict[str, Any], namespace: str = "openclaw") -> str:
    """The same as JSON5 in many lines, with a comment and a comma too many: no YAML at all."""
    inner = json.dumps(manifest, indent=2).replace("\n", "\n    ")
    return _whole(f"metadata:\n  {{\n    // what it needs\n    {namespace}: {inner},\n  }}")


DIALECTS = (as_block, as_flow, as_json5)


def _whole(metadata: str) -> str:
    return f"---\nname: tool\ndescription: {DESCRIPTION}\n{metadata}\n---\n# Tool\n"


def _yaml(value: Any, indent: int) -> str:
    """Maps as indented lines; lists and the rest as JSON, which YAML reads too."""
    pad = " " * indent
    lines = []
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            lines.append(f"{pad}{name}:\n{_yaml(inner, indent + 2)}")
        else:
            lines.append(f"{pad}{name}: {json.dumps(inner)}")
    return "\n".join(lines)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)
