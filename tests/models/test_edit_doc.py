"""The proposal to edit a document: what it was made from is known, and what it changes can be shown."""

import pytest
from flask_sqlalchemy import SQLAlchemy

from models import Approval, BrainDoc, Proposal, UserSession, labs
from models.actions import params_of
from models.actions.edit_doc import EditDoc
from models.base import db as database
from models.base import new_id
from models.wish import Wish
from queues.actions import edit_doc
from queues.actions.job import CannotBeDone, Job
from tests.models.conftest import Room


@pytest.fixture
def room(room: Room) -> Room:
    labs.write(room.project.id, {"knowledge": True})
    return room


def asked(content: str = "Be kind.\nBe short.", **more: object) -> EditDoc:
    given = {"agent_key": "trunks", "doc_type": "runbook", "content": content, **more}
    found = params_of("edit_doc", given)
    assert isinstance(found, EditDoc)
    return found


def write(room: Room, content: str, base: str | None = None) -> BrainDoc:
    return BrainDoc.write(
        room.project.id, "trunks", "runbook", content, base_digest=base, by_user=room.mara.id
    )


def test_left_out_the_base_is_what_stands_there(room: Room) -> None:
    assert asked().resolve(room.project.id).base_digest is None

    doc = write(room, "Be kind.")

    resolved = asked().resolve(room.project.id)
    assert resolved.base_digest == doc.digest
    assert resolved.headline == "Edit the document trunks/runbook"


@pytest.mark.parametrize("base", [None, "0" * 64])
def test_a_base_that_was_given_stays(room: Room, base: str | None) -> None:
    write(room, "Be kind.")

    assert asked(base_digest=base).resolve(room.project.id).base_digest == base


def test_the_diff_is_against_what_it_was_made_from_whatever_stands_there_now(room: Room) -> None:
    base = write(room, "Be kind.\nBe loud.").digest
    params = asked(base_digest=base)
    write(room, "Be different.", base)

    assert params.diff(room.project.id) == ["@@ -1,2 +1,2 @@", " Be kind.", "-Be loud.", "+Be short."]


def test_without_a_base_there_is_no_diff(room: Room) -> None:
    assert asked().diff(room.project.id) is None
    assert asked(base_digest="0" * 64).diff(room.project.id) is None


def test_while_documents_are_off_there_is_no_diff(room: Room) -> None:
    params = asked(base_digest=write(room, "Be kind.").digest)
    assert params.diff(room.project.id)

    labs.write(room.project.id, {"knowledge": False})

    assert params.diff(room.project.id) is None


def test_the_diff_hides_nothing(room: Room) -> None:
    base = write(room, "Be kind.").digest

    assert (asked("Be\u202e kind.", base_digest=base).diff(room.project.id) or [])[-1] == "+Be⟨U+202E⟩ kind."


def approved(room: Room, params: EditDoc) -> tuple[Proposal, Approval]:
    wish = Wish.of("bulma", "edit_doc", params.model_dump(exclude_unset=True), "why", f"w{new_id()}")
    proposal = Proposal.make(room.thread, wish)
    session, _ = UserSession.start(room.mara, "127.0.0.1", "pytest")
    database.session.flush()
    name = proposal.action.object_name
    return proposal, proposal.approve(session.id, proposal.digest, name)


def job(room: Room, params: EditDoc) -> Job:
    proposal, approval = approved(room, params)
    return Job(
        run_id=new_id(),
        approval_id=approval.id,
        proposal_id=proposal.id,
        project_id=room.project.id,
        thread_id=room.thread.id,
        agent_key="bulma",
        decided_by=room.mara.id,
        params=proposal.action,
        key=str(approval.id),
    )


def test_what_was_approved_becomes_a_version_of_the_agent_and_the_approver(room: Room) -> None:
    base = write(room, "Be kind.").digest
    work = job(room, asked())

    said = edit_doc.apply(work)

    doc = BrainDoc.find(room.project.id, "trunks", "runbook")
    assert doc
    assert said == "trunks/runbook is version 2 now, with 18 characters."
    assert (doc.content, doc.by_agent, doc.user_id) == ("Be kind.\nBe short.", "bulma", room.mara.id)
    second = doc.at(2)
    assert second
    assert (second.approval_id, second.base_digest) == (work.approval_id, base)
    assert doc.changed_by.startswith("@bulma, approved by Mara Lindqvist, wrote version 2 at ")


def test_what_was_changed_since_it_was_proposed_is_not_written_over(room: Room) -> None:
    base = write(room, "Be kind.").digest
    work = job(room, asked())
    write(room, "Be different.", base)

    with pytest.raises(
        CannotBeDone, match=r"was not changed: Mara Lindqvist wrote version 2 at .*: look at it"
    ):
        edit_doc.apply(work)

    doc = BrainDoc.find(room.project.id, "trunks", "runbook")
    assert doc
    assert doc.content == "Be different."


def test_an_approval_is_carried_out_once_and_again_changes_nothing(room: Room, db: SQLAlchemy) -> None:
    work = job(room, asked())

    assert edit_doc.apply(work) == edit_doc.apply(work)

    doc = BrainDoc.find(room.project.id, "trunks", "runbook")
    assert doc
    assert doc.version == 1


def test_an_edit_of_a_document_that_was_switched_off_says_so(room: Room) -> None:
    work = job(room, asked())
    labs.write(room.project.id, {"knowledge": False})

    with pytest.raises(CannotBeDone, match="switched off"):
        edit_doc.apply(work)


def test_another_action_is_not_taken_for_an_edit(room: Room) -> None:
    params = params_of("create_task", {"title": "x", "description": "", "assignee_agent_key": None})
    wrong = Job(*(new_id() for _ in range(5)), "bulma", room.mara.id, params, "key")

    with pytest.raises(TypeError):
        edit_doc.apply(wrong)
