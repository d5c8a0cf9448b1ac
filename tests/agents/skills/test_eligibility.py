"""Ready, needs setup or blocked: what decides, and the bugs that others had with it."""

from typing import Any

import pytest

from agents.skills.eligibility import Verdict
from tests.agents.skills.shelf import DIALECTS, NPM, UV, Shelf, as_flow

NOTHING: dict[str, list[str]] = {"bins": [], "anyBins": [], "env": [], "config": [], "os": []}


def verdict(shelf: Shelf, manifest: dict[str, Any], **here: Any) -> Verdict:
    if not (shelf.root / "skills/tool").exists():
        shelf.add(as_flow(manifest))
    return shelf.only(**here).verdict


def commands(found: Verdict) -> list[str]:
    return [step["command"] for step in found.steps]


def test_what_needs_nothing_is_ready(shelf: Shelf) -> None:
    assert verdict(shelf, {}) == Verdict("ready", NOTHING)


@pytest.mark.parametrize("write", DIALECTS)
def test_everything_that_is_missing_is_told_with_what_mends_it(shelf: Shelf, write: Any) -> None:
    shelf.add(
        write(
            {
                "requires": {
                    "bins": ["jq", "yq", "git"],
                    "anyBins": ["rg", "ag"],
                    "env": ["TOKEN", "OTHER"],
                    "config": ["browser.enabled"],
                },
                "install": [
                    {"kind": "brew", "formula": "yq", "bins": ["yq"]},
                    {"kind": "uv", "package": "both", "bins": ["jq", "yq"]},
                ],
            }
        )
    )
    shelf.program("git")

    found = shelf.only(variables={"OTHER": "there"}).verdict

    assert found.status == "needs_setup"
    assert found.missing == NOTHING | {
        "bins": ["jq", "yq"],
        "anyBins": ["rg", "ag"],
        "env": ["TOKEN"],
        "config": ["browser.enabled"],
    }
    assert [step["kind"] for step in found.steps] == ["bins", "anyBins", "env", "config"]
    assert commands(found) == [
        f"{UV} both",
        "sudo apt-get install rg",
        "export TOKEN='VALUE' SKILL_VARIABLES='OTHER TOKEN'",
        "flask --app webapp skills set oasis browser.enabled true",
    ]


@pytest.mark.parametrize(
    ("installer", "command"),
    [
        ("", f"{UV} t"),
        ("brew", f"{UV} t"),
        ("npm", f"{NPM} t"),
    ],
)
def test_the_way_is_one_whose_program_is_there(shelf: Shelf, installer: str, command: str) -> None:
    ways = [
        {"kind": "brew", "formula": "t"},
        {"kind": "node", "package": "t"},
        {"kind": "uv", "package": "t"},
        {"kind": "uv", "package": "elsewhere", "os": ["darwin"]},
    ]
    if installer:
        shelf.program(installer)

    found = verdict(shelf, {"requires": {"bins": ["t"]}, "install": ways})

    assert commands(found) == [command]


def test_brew_is_for_a_mac(shelf: Shelf) -> None:
    """On Linux it installs where no skill sees it."""
    wanted = {"requires": {"bins": ["t"]}, "install": [{"kind": "brew", "formula": "tap/t"}]}

    assert commands(verdict(shelf, wanted)) == ["sudo apt-get install t"]
    assert commands(verdict(shelf, wanted, system="darwin")) == ["brew install tap/t"]


def test_a_way_that_brings_something_else_mends_nothing(shelf: Shelf) -> None:
    """openclaw#113767."""
    ways = [{"kind": "uv", "package": "other", "bins": ["other"]}]

    found = verdict(shelf, {"requires": {"bins": ["t"]}, "install": ways}, system="darwin")

    assert commands(found) == ["brew install t"]


def test_one_of_several_is_enough(shelf: Shelf) -> None:
    shelf.program("ag")

    assert verdict(shelf, {"requires": {"anyBins": ["rg", "ag"]}}).status == "ready"


def test_a_folder_with_the_name_of_the_program_is_none(shelf: Shelf) -> None:
    """openclaw#146187."""
    (shelf.bin / "jq").mkdir()

    assert verdict(shelf, {"requires": {"bins": ["jq"]}}).missing["bins"] == ["jq"]


def test_nor_is_a_file_that_may_not_be_run_nor_one_of_a_relative_path(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.program("jq", 0o644)
    other = shelf.root / "here"
    other.mkdir()
    (other / "yq").write_text("#!/bin/sh\n")
    (other / "yq").chmod(0o755)
    monkeypatch.chdir(shelf.root)

    found = verdict(shelf, {"requires": {"bins": ["jq", "yq"]}}, path=f"here:.::{shelf.bin}")

    assert found.missing["bins"] == ["jq", "yq"]


def test_what_was_installed_meanwhile_is_seen_and_what_was_removed_is_missed(shelf: Shelf) -> None:
    """openclaw#91166, #80206: an answer that was remembered outlived the installation."""
    wanted = {"requires": {"bins": ["jq"]}}
    assert verdict(shelf, wanted).status == "needs_setup"

    path = shelf.program("jq")
    assert verdict(shelf, wanted).status == "ready"

    path.unlink()
    assert verdict(shelf, wanted).status == "needs_setup"


def test_on_windows_a_program_has_an_ending(shelf: Shelf) -> None:
    """openclaw#7628."""
    shelf.program("jq.EXE")
    wanted = {"requires": {"bins": ["jq"]}}

    assert verdict(shelf, wanted, system="win32", endings=(".COM", ".EXE")).status == "ready"
    assert verdict(shelf, wanted).status == "needs_setup"


def test_what_the_worker_has_is_not_what_skills_have(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """openclaw#29254, #29313, #33395: the host was asked, and the skill ran somewhere else."""
    monkeypatch.setenv("TOKEN", "of the worker itself")
    monkeypatch.setenv("PATH", str(shelf.bin))
    shelf.program("jq")

    found = verdict(shelf, {"requires": {"bins": ["jq"], "env": ["TOKEN"]}}, path="/nowhere")

    assert (found.missing["bins"], found.missing["env"]) == (["jq"], ["TOKEN"])


@pytest.mark.parametrize("enabled", [True, None])
def test_switching_on_lends_nothing_that_is_missing(shelf: Shelf, enabled: bool | None) -> None:
    """openclaw#32752: it was asked that `enabled: true` hide what is missing. Here that is looked for where
    the skill runs, so there is nothing to hide."""
    entries = {"skills": {"entries": {"tool": {"enabled": enabled}}}}

    assert verdict(shelf, {"requires": {"bins": ["jq"]}}, config=entries).status == "needs_setup"
    shelf.program("jq")
    assert verdict(shelf, {}, config=entries).status == "ready"


@pytest.mark.parametrize("key", ["tool", "own-key"])
def test_what_is_switched_off_is_blocked_by_the_key_it_has(shelf: Shelf, key: str) -> None:
    own = {} if key == "tool" else {"skillKey": key}

    found = verdict(shelf, own, config={"skills": {"entries": {key: {"enabled": False}}}})

    assert (found.status, [reason["code"] for reason in found.reasons]) == ("blocked", ["disabled"])
    assert commands(found) == [f"flask --app webapp skills set oasis skills.entries.{key}.enabled true"]


@pytest.mark.parametrize("always", [False, True, "true"])
def test_another_system_blocks_always(shelf: Shelf, always: object) -> None:
    found = verdict(shelf, {"os": ["darwin"], "always": always})

    assert (found.status, found.missing["os"]) == ("blocked", ["darwin"])
    assert verdict(shelf, {}, system="darwin").status == "ready"


def test_always_asks_for_nothing_else(shelf: Shelf) -> None:
    assert verdict(shelf, {"always": True, "requires": {"bins": ["jq"], "env": ["X"]}}).status == "ready"


def test_blocked_goes_before_needs_setup(shelf: Shelf) -> None:
    found = verdict(shelf, {"os": ["darwin"], "requires": {"bins": ["jq"]}})

    assert (found.status, found.missing["bins"]) == ("blocked", ["jq"])


@pytest.mark.parametrize(
    ("value", "there"),
    [
        *(("x", True), (1, True), (True, True), ([1], True)),
        *(("  ", False), (0, False), (False, False), (None, False), ({}, False)),
    ],
)
def test_when_something_is_configured(shelf: Shelf, value: object, there: bool) -> None:
    found = verdict(shelf, {"requires": {"config": ["a.b"]}}, config={"a": {"b": value}})

    assert found.missing["config"] == ([] if there else ["a.b"])


@pytest.mark.parametrize(
    "config", [{}, {"a": 1}, {"a": {"browser": True}}, {"skills": 3}, {"skills": {"entries": []}}]
)
def test_a_path_that_leads_nowhere_is_not_configured(shelf: Shelf, config: dict[str, Any]) -> None:
    """Nothing is on by default here: there is no browser tool that would make `browser.enabled` true."""
    wanted = {"requires": {"config": ["browser.enabled", "a.b.c"]}}

    assert verdict(shelf, wanted, config=config).missing["config"] == ["browser.enabled", "a.b.c"]


@pytest.mark.parametrize(("value", "there"), [("x", True), ("  ", False), ("", False)])
def test_a_blank_variable_is_none(shelf: Shelf, value: str, there: bool) -> None:
    found = verdict(shelf, {"requires": {"env": ["TOKEN"]}}, variables={"TOKEN": value})

    assert found.missing["env"] == ([] if there else ["TOKEN"])
