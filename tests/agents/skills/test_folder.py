"""Folders that nobody vouches for are read within limits, through no link, and sealed by their revision."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.skills import catalogue
from models import skill_folder
from models.workspace import LARGEST
from tests.agents.skills.shelf import Shelf, as_block, as_flow

TEXT = as_block({})


def test_the_shipped_ones_are_whole_and_ready(shelf: Shelf) -> None:
    """What stands in skills/ keeps every rule that others are warned about."""
    shelf.shipped = skill_folder.ROOT

    found = shelf.read()

    assert [skill.manifest.name for skill in found.skills] == [
        "oasis-op",
        "ops-check",
        "qa-audit",
        "security-audit",
    ]
    assert {skill.verdict.status for skill in found.skills} == {"ready"}
    assert [skill.manifest.warnings for skill in found.skills] == [[]] * 4
    assert found.warnings == []


def test_skills_lie_in_groups_and_none_lies_in_another(shelf: Shelf) -> None:
    shelf.add(TEXT, "a/b/one")
    shelf.add(TEXT, "a/b/one/inner")
    shelf.add(TEXT, ".hidden/two")
    (shelf.root / "skills/a/readme").write_text("no skill")
    (shelf.add("", "lower") / "SKILL.md").unlink()
    (shelf.root / "skills/lower/skill.md").write_text(TEXT)

    assert [found.folder.path for found in shelf.read().skills] == ["skills/a/b/one", "skills/lower"]


def test_a_project_without_skills_has_none(shelf: Shelf) -> None:
    (shelf.root / "skills").rmdir()

    assert (shelf.read().skills, shelf.read().warnings) == ([], [])


def test_every_change_is_another_revision(shelf: Shelf) -> None:
    skill = shelf.add(TEXT)
    script = skill / "scripts/run.sh"
    script.parent.mkdir()

    def revision() -> str:
        found = shelf.only().folder.revision
        assert len(found) == 64
        return found

    def link() -> None:
        (skill / "link").symlink_to("SKILL.md")

    changes: list[Callable[[], object]] = [
        lambda: script.write_text("echo one\n"),
        lambda: script.write_text("echo two\n"),
        lambda: script.chmod(0o755),
        lambda: script.rename(skill / "scripts/go.sh"),
        lambda: (skill / ".hidden").write_text(""),
        link,
        lambda: (skill / "SKILL.md").write_text(f"{TEXT} "),
    ]
    seen = [revision()]
    for change in changes:
        assert revision() == seen[-1], "nothing changed"
        change()
        seen.append(revision())

    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("odd", ["link to a file", "link to a folder", "pipe", "hard link"])
def test_odd_files_are_never_followed(shelf: Shelf, tmp_path: Path, odd: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "SKILL.md").write_text(as_flow({"requires": {"bins": ["nothing"]}}))
    skill = shelf.add(TEXT)
    place = skill / "odd"
    if odd == "link to a file":
        place.symlink_to(secret / "SKILL.md")
    elif odd == "link to a folder":
        place.symlink_to(secret)
    elif odd == "pipe":
        os.mkfifo(place)
    else:
        os.link(secret / "SKILL.md", place)

    found = shelf.only()

    if odd == "hard link":
        assert (found.verdict.status, found.folder.revision) == ("blocked", "")
        assert "second name" in found.verdict.reasons[0]["text"]
    else:
        assert found.manifest.warnings == ["odd is a link or no plain file: never followed"]
        before = found.folder.revision
        (secret / "SKILL.md").write_text("other")
        assert shelf.only().folder.revision == before


@pytest.mark.parametrize("what", ["the manifest", "a skill", "a group", "all"])
def test_a_link_in_the_way_leads_to_no_skill(shelf: Shelf, tmp_path: Path, what: str) -> None:
    outside = tmp_path / "outside"
    (outside / "tool").mkdir(parents=True)
    (outside / "tool/SKILL.md").write_text(TEXT)
    skills = shelf.root / "skills"
    if what == "the manifest":
        (skills / "tool").mkdir()
        (skills / "tool/SKILL.md").symlink_to(outside / "tool/SKILL.md")
    elif what == "a skill":
        (skills / "tool").symlink_to(outside / "tool")
    elif what == "a group":
        (skills / "group").symlink_to(outside)
    else:
        skills.rmdir()
        skills.symlink_to(outside)

    found = shelf.read()

    assert found.skills == []
    assert "link" in found.warnings[0] or "no folder" in found.warnings[0]


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("MOST_FILES", 4, "more than 4 files"),
        ("MOST_FILES", 2, "more than 2 folders"),
        ("MOST_BYTES", 700, "more than 700 bytes"),
        ("MOST_BYTES_OF_ALL", 700, "together have more than 700 bytes"),
        ("DEEPEST", 2, "deeper than 2 folders"),
    ],
)
def test_what_is_past_a_limit_is_blocked(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, reason: str
) -> None:
    skill = shelf.add(TEXT)
    for number in range(4):
        inner = skill / "/".join("abcd"[:number])
        inner.mkdir(exist_ok=True)
        (inner / "file").write_bytes(b"x" * 200)
    assert shelf.only().verdict.status == "ready"
    monkeypatch.setattr(skill_folder, limit, value)

    found = shelf.only()

    assert (found.verdict.status, found.folder.revision) == ("blocked", "")
    assert reason in found.verdict.reasons[0]["text"]


@pytest.mark.parametrize(
    ("limit", "value", "skills", "warning"),
    [
        ("MOST_SKILLS", 2, 2, "more than 2 skills"),
        ("MOST_FOLDERS", 2, 0, "more than 2 folders"),
        ("LONGEST_PATH", 8, 0, "too long a path"),
        ("DEEPEST", 0, 0, ""),
    ],
)
def test_there_are_limits_to_how_many_there_are_and_where(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, skills: int, warning: str
) -> None:
    for name in ("one", "two", "three"):
        shelf.add(TEXT, name)
    monkeypatch.setattr(skill_folder, limit, value)

    found = shelf.read()

    assert len(found.skills) == skills
    assert warning in "".join(found.warnings)


def test_a_file_that_is_too_long_blocks_its_skill_alone(shelf: Shelf) -> None:
    (shelf.add(TEXT, "large") / "data").write_bytes(b"x" * (LARGEST + 1))
    shelf.add(TEXT, "small")

    statuses = {found.manifest.key: found.verdict.status for found in shelf.read().skills}

    assert statuses == {"large": "blocked", "small": "ready"}


def test_what_takes_too_long_is_left_out(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.add(TEXT)
    monkeypatch.setattr(catalogue, "MOST_SECONDS", -1.0)

    assert "longer than" in shelf.only().verdict.reasons[0]["text"]


def test_nobody_takes_the_place_of_a_shipped_skill(shelf: Shelf) -> None:
    shelf.add(TEXT.replace("name: tool", "name: ops"), "ops", shipped=True)
    shelf.add(TEXT.replace("name: tool", "name: ops"), "innocent")
    shelf.add(TEXT, "ops")

    found = {one.folder.path: one for one in shelf.read().skills if one.folder.source == "project"}

    assert [one.verdict.reasons[0]["code"] for one in found.values()] == ["name_taken", "name_taken"]


def test_names_that_are_no_text_are_written_out(shelf: Shelf) -> None:
    odd = os.fsdecode(b"skills/\xff\xfe<b>\n")
    (shelf.root / odd).mkdir()
    (shelf.root / odd / "SKILL.md").write_text(TEXT)

    found = shelf.only()

    found.manifest.key.encode()
    assert found.folder.revision
