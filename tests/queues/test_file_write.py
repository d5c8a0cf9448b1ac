"""file_write: the file that was approved, or a sentence why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from models import Project
from models.actions import params_of
from models.base import new_id
from models.workspace import Unsure, Workspace, digest_of
from queues.actions import file_write
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown
from tests import factories


@pytest.fixture
def project(db: SQLAlchemy) -> Project:
    made = factories.project("oasis")
    db.session.commit()
    return made


@pytest.fixture
def folder(app: Flask, project: Project) -> Path:
    made = Path(app.config["WORKSPACES_FOLDER"]) / "oasis"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def perform(app: Flask, project: Project, folder: Path) -> Callable[..., str]:
    def perform(**params: Any) -> str:
        ids = [new_id() for _ in range(5)]
        job = Job(ids[0], ids[1], ids[2], project.id, ids[3], "trunks", ids[4],
                  params_of("file_write", params), "the-key")  # fmt: skip
        return file_write.perform(app, job)

    return perform


Perform = Callable[..., str]


def test_it_writes_exactly_what_was_approved(perform: Perform, folder: Path) -> None:
    said = perform(path="notes/a.txt", content="  ä\r\n\n", base_digest=None)

    assert (folder / "notes/a.txt").read_bytes() == "  ä\r\n\n".encode()
    assert said == "notes/a.txt is written: 7 bytes."


def test_a_second_time_changes_nothing(perform: Perform) -> None:
    perform(path="a", content="one", base_digest=None)

    assert perform(path="a", content="one", base_digest=None) == "a held exactly that already."


def test_another_base_stops_it(perform: Perform, folder: Path) -> None:
    (folder / "a").write_text("two")

    with pytest.raises(
        CannotBeDone, match="Nothing was written: the file is not the one that was to be changed"
    ):
        perform(path="a", content="three", base_digest=digest_of(b"one"))
    assert (folder / "a").read_text() == "two"


def test_a_link_stops_it(perform: Perform, folder: Path, tmp_path: Path) -> None:
    (folder / "a").symlink_to(tmp_path)

    with pytest.raises(CannotBeDone, match="Nothing was written: the path leads through"):
        perform(path="a/b", content="x", base_digest=None)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("error", "raised"),
    [(OSError(28, "No space left on device"), CannotBeDone), (Unsure("Input/output error"), OutcomeUnknown)],
    ids=["full", "not confirmed"],
)
def test_what_the_disk_says_is_told(
    perform: Perform, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    def fail(*_: object) -> bool:
        raise error

    monkeypatch.setattr(Workspace, "write", fail)
    with pytest.raises(raised, match=str(error.args[-1])):
        perform(path="a", content="x", base_digest=None)
