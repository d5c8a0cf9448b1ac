"""How a skill says that what it needs is installed: checked word by word, since people copy the command.

Commands install below /usr/local, since nothing below a home is seen where skills run.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agents.skills.listed import listed, systems

LONGEST_URL = 500
LONGEST_LABEL = 100
_VERSION = r"[A-Za-z0-9][A-Za-z0-9._+!-]*"
_PACKAGE = {
    "formula": re.compile(r"[A-Za-z0-9][A-Za-z0-9@+._-]*(?:/[A-Za-z0-9][A-Za-z0-9@+._-]*){0,2}"),
    "node": re.compile(rf"(?:@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*(?:@{_VERSION})?"),
    "go": re.compile(
        rf"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+(?:/[A-Za-z0-9][A-Za-z0-9_.~-]*)+(?:@{_VERSION})?"
    ),
    "uv": re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,_-]+\])?(?:(?:==|@){_VERSION})?"),
}
LONGEST_PACKAGE = 200
PROGRAMS = {"uv": "uv", "node": "npm", "brew": "brew", "go": "go", "download": "curl"}
"""The kinds, in the order in which they are preferred, and the program that each needs."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


@dataclass(frozen=True)
class Install:
    """One way to install; `bins` is what it brings, nothing said means all that is required."""

    kind: str
    command: str
    label: str = ""
    bins: tuple[str, ...] = ()
    os: tuple[str, ...] = ()

    def brings(self, name: str) -> bool:
        return not self.bins or name in self.bins


def install_of(entry: Any) -> Install:
    """The checked entry; ValueError says in words what is wrong with it."""
    if not isinstance(entry, dict):
        raise ValueError("is no map")
    kind = entry.get("kind", entry.get("type"))
    if not isinstance(kind, str) or kind not in PROGRAMS:
        raise ValueError(f"its kind is none of {', '.join(sorted(PROGRAMS))}")
    return Install(
        kind=kind,
        command=_COMMANDS[kind](entry),
        label=_label(entry.get("label")),
        bins=tuple(listed(entry.get("bins"))),
        os=tuple(systems(entry.get("os"))),
    )


def _label(said: Any) -> str:
    return said[:LONGEST_LABEL] if isinstance(said, str) and said.isprintable() else ""


def _package(entry: dict[str, Any], name: str, shape: str) -> str:
    said = entry.get(name)
    if not isinstance(said, str) or len(said) > LONGEST_PACKAGE or not _PACKAGE[shape].fullmatch(said):
        raise ValueError(f"its {name} is no name of a package")
    return said


def _brew(entry: dict[str, Any]) -> str:
    if "cask" in entry:
        return f"brew install --cask {_package(entry, 'cask', 'formula')}"
    return f"brew install {_package(entry, 'formula', 'formula')}"


def _node(entry: dict[str, Any]) -> str:
    return (
        f"sudo npm install --global --prefix /usr/local --ignore-scripts {_package(entry, 'package', 'node')}"
    )


def _go(entry: dict[str, Any]) -> str:
    module = _package(entry, "module", "go")
    return f"sudo GOBIN=/usr/local/bin go install {module if '@' in module else f'{module}@latest'}"


def _uv(entry: dict[str, Any]) -> str:
    where = "UV_TOOL_DIR=/usr/local/lib/uv UV_TOOL_BIN_DIR=/usr/local/bin"
    return f"sudo {where} uv tool install {shlex.quote(_package(entry, 'package', 'uv'))}"


def _download(entry: dict[str, Any]) -> str:
    """Fetches it; unpacking is the reader's to do, who sees what came."""
    url = entry.get("url")
    if not isinstance(url, str) or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
        raise ValueError("its url is no address")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("its url is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or " " in url:
        raise ValueError("its url is no address of http or https without a password")
    name = parts.path.rpartition("/")[2]
    if not _FILE.fullmatch(name):
        raise ValueError("its url names no file")
    fetch = f"curl --fail --location --output {name} {shlex.quote(url)}"
    if "sha256" not in entry:
        return fetch
    digest = entry["sha256"]
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest.lower()):
        raise ValueError("its sha256 is none")
    return f"{fetch} && echo '{digest.lower()}  {name}' | sha256sum --check"


_COMMANDS = {"uv": _uv, "node": _node, "brew": _brew, "go": _go, "download": _download}
