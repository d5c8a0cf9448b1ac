"""What a SKILL.md says: the fields of Agent Skills, and what openclaw's metadata requires.

Text that is too long or names that differ are warnings: the skill still loads. What it requires and cannot
be understood blocks it, since a requirement left out would make it look ready.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from agents.skills.frontmatter import Unreadable, parse
from agents.skills.install import Install, install_of
from agents.skills.listed import listed, systems
from models.hidden import made_visible
from models.skill_folder import SkillFolder
from models.text import told

NAMESPACES = ("openclaw", "clawdbot", "clawdis")
"""Where the requirements stand in `metadata`; the later ones are older names of the first."""
OF_AGENT_SKILLS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
OF_OPENCLAW = (
    "homepage", "user-invocable", "disable-model-invocation", "command-dispatch", "command-tool",
    "command-arg-mode", "version", "author",
)  # fmt: skip
LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_COMPATIBILITY = 64, 1024, 500
"""Characters, by the specification of Agent Skills."""
KEPT = 4000
"""Characters of a description that are kept, however long it is."""
LONGEST_BODY = 500
"""Lines, as the specification advises."""
MOST_WARNINGS = 20
MOST_REQUIRED = 50
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
CONFIG_PATH = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,7}")
_SYSTEM = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass
class Requirements:
    always: bool = False
    os: list[str] = field(default_factory=list)
    bins: list[str] = field(default_factory=list)
    any_bins: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    config: list[str] = field(default_factory=list)
    primary_env: str = ""
    install: list[Install] = field(default_factory=list)


@dataclass
class Manifest:
    """One skill as it describes itself; `problems` say why nobody may run it, each as (code, sentence)."""

    key: str
    name: str
    description: str = ""
    config_key: str = ""
    requires: Requirements = field(default_factory=Requirements)
    problems: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        text = made_visible(told(text, 300))
        if text not in self.warnings and len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(text)

    def block(self, code: str, text: str) -> None:
        self.problems.append((code, made_visible(told(text, 500))))


def manifest_of(folder: SkillFolder) -> Manifest:
    """Never raises for what a skill says: it is then blocked, with the reason."""
    key = made_visible(told(folder.name, LONGEST_NAME))[: LONGEST_NAME * 2]
    said = Manifest(key=key, name=key, config_key=key)
    for warning in folder.warnings:
        said.warn(warning)
    if folder.problem:
        said.block("unreadable", folder.problem)
        return said
    try:
        front = parse(folder.manifest)
    except Unreadable as problem:
        said.block("unreadable", str(problem))
        return said
    for warning in front.warnings:
        said.warn(warning)
    _describe(said, folder.name, front.fields)
    if (lines := front.body.count("\n") + 1) > LONGEST_BODY:
        said.warn(f"The body has {lines:,} lines, more than the {LONGEST_BODY} that are advised")
    _require(said, front.fields.get("metadata", {}))
    return said


# --- Agent Skills ---


def _describe(said: Manifest, folder_name: str, fields: dict[str, Any]) -> None:
    said.name = _name(said, folder_name, fields.get("name"))
    said.config_key = said.name
    description = fields.get("description")
    if not isinstance(description, str) or not description.strip():
        said.block("unreadable", "It has no description: nobody could tell when to use it")
    else:
        said.description = _text(said, "description", description.strip(), LONGEST_DESCRIPTION, KEPT)
    for name, longest in (("compatibility", LONGEST_COMPATIBILITY), ("license", None)):
        value = fields.get(name)
        if value is not None and not isinstance(value, str):
            said.warn(f"{name} is no text")
        elif longest and value is not None:
            _text(said, name, value, longest, longest)
    try:
        listed(fields.get("allowed-tools"))
    except ValueError as error:
        said.warn(f"allowed-tools {error}")
    for name in fields.keys() - {*OF_AGENT_SKILLS, *OF_OPENCLAW}:
        said.warn(f"The field {name} is not read")


def _name(said: Manifest, folder_name: str, name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        said.warn("It has no name: it goes by its folder's")
        return said.key
    name = name.strip()
    if not _NAME.fullmatch(name):
        said.warn("The name should be of a-z, 0-9 and single - between them")
    if name != folder_name:
        said.warn(f"The name {name} is not the folder's, {folder_name}")
    return _text(said, "name", " ".join(name.split()), LONGEST_NAME, LONGEST_NAME)


def _text(said: Manifest, name: str, text: str, longest: int, kept: int) -> str:
    if len(text) > longest:
        said.warn(f"The {name} has {len(text):,} characters, more than the {longest:,} that there should be")
    return made_visible(told(text, kept))


# --- what it requires ---


def _require(said: Manifest, metadata: dict[str, Any]) -> None:
    found = next((name for name in NAMESPACES if name in metadata), None)
    for name, value in metadata.items():
        if name not in NAMESPACES and isinstance(value, dict) and "requires" in value:
            said.warn(f"What metadata.{name} requires is not read")
    if found is None:
        return
    manifest = metadata[found]
    if not isinstance(manifest, dict):
        said.block("requirements", f"metadata.{found} is no map")
        return
    requires = manifest.get("requires")
    if requires is not None and not isinstance(requires, dict):
        said.block("requirements", f"metadata.{found}.requires is no map")
        return
    requires = requires or {}
    wanted = said.requires
    wanted.always = manifest.get("always") in (True, "true")
    wanted.os = systems(_names(said, "os", manifest.get("os"), _SYSTEM))
    wanted.bins = _names(said, "bins", requires.get("bins"), _PROGRAM)
    wanted.any_bins = _names(said, "anyBins", requires.get("anyBins"), _PROGRAM)
    wanted.env = _names(said, "env", requires.get("env"), _VARIABLE)
    wanted.config = _names(said, "config", _paths(said, requires.get("config")), CONFIG_PATH)
    primary = manifest.get("primaryEnv")
    wanted.primary_env = primary if isinstance(primary, str) and _VARIABLE.fullmatch(primary) else ""
    if isinstance(own := manifest.get("skillKey"), str) and own.strip():
        said.config_key = _text(said, "skillKey", own.strip(), LONGEST_NAME, LONGEST_NAME)
    wanted.install = _installs(said, manifest.get("install"))


def _names(said: Manifest, what: str, value: Any, shape: re.Pattern[str]) -> list[str]:
    try:
        names = listed(value)
    except ValueError as error:
        said.block("requirements", f"What it requires cannot be understood: {what} {error}")
        return []
    for name in names:
        if not shape.fullmatch(name):
            said.block("requirements", f"What it requires cannot be understood: {name} is none of {what}")
            return []
    if len(names) > MOST_REQUIRED:
        said.block("requirements", f"It requires more than {MOST_REQUIRED} of {what}")
        return []
    return names


def _paths(said: Manifest, value: Any) -> Any:
    """`config` without its entries that are maps, which nothing here evaluates."""
    if not isinstance(value, list):
        return value
    if any(isinstance(one, dict) for one in value):
        said.warn("An entry of requires.config is a map: it is not checked")
    return [one for one in value if not isinstance(one, dict)]


def _installs(said: Manifest, value: Any) -> list[Install]:
    if value is None:
        return []
    if not isinstance(value, list):
        said.warn("install is no list: it is not read")
        return []
    found = []
    for number, entry in enumerate(value[:MOST_REQUIRED], 1):
        try:
            found.append(install_of(entry))
        except ValueError as error:
            said.warn(f"Way {number} to install it is left out: {error}")
    return found
