"""From a person's approval to the effect in the world, by the real worker, and back to the card."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import AllowedHost, ProjectSecret, db
from models.errors import Invalid
from tests.queues import acting
from tests.queues.acting import Office
from tests.support.foreign import Foreign, egress, ok

Act = Callable[..., acting.Running]
NAME = "api.example.test"


@pytest.fixture
def server(office: Office, act: Act) -> Iterator[Foreign]:
    """A server that is listed, with a secret for it, and a worker that takes it for a public one."""
    with Foreign(ok(b'{"id": 7}')) as foreign:
        running, project = act(), office.crew.project
        running.app.extensions["egress"] = egress()
        host = AllowedHost.add(project.id, f"http://{NAME}:{foreign.port}", office.crew.mara)
        db.session.flush()
        key = running.app.config["SECRET_KEY"]
        ProjectSecret.store(project.id, "token", host.origin, "Bearer s3cret-value", office.crew.mara, key)
        db.session.commit()
        yield foreign


def test_an_approved_request_leaves_once_with_its_secret(office: Office, server: Foreign) -> None:
    url = f"http://{NAME}:{server.port}/things"
    proposal_id, run_id = office.approved(
        "api_call", url=url, method="POST", body="{}", secret_headers={"Authorization": "token"}
    )
    proposal = office.wait(proposal_id)

    [request] = server.requests
    assert b"Authorization: Bearer s3cret-value" in request
    assert f"Idempotency-Key: teamroom-{proposal.id}-{proposal.digest[:16]}".encode() in request
    assert proposal.execution_result == f'{NAME}:{server.port} answered 200 with 9 bytes:\n{{"id": 7}}'
    assert office.run(run_id).report == proposal.execution_result


def test_an_approved_message_leaves_for_its_webhook(office: Office, server: Foreign) -> None:
    hook = f"http://{NAME}:{server.port}/hook"
    proposal_id, _ = office.approved("send_message", channel="webhook", recipient=hook, content="Done.")
    office.wait(proposal_id)

    [request] = server.requests
    assert b'"text": "Done."' in request


def test_a_server_that_is_taken_from_the_list_meanwhile_is_not_asked(office: Office, server: Foreign) -> None:
    url = f"http://{NAME}:{server.port}/"
    proposal_id = office.propose("api_call", url=url, method="GET")
    for host in AllowedHost.of_project(office.crew.project.id):
        db.session.delete(host)
    db.session.commit()
    office.approve(proposal_id)
    proposal = office.wait(proposal_id, "failed")

    assert "is not on the list" in (proposal.execution_result or "")
    assert server.accepted == 0


def test_a_request_without_an_answer_waits_for_a_person(office: Office, server: Foreign) -> None:
    server.says = b""
    proposal_id, run_id = office.approved("api_call", url=f"http://{NAME}:{server.port}/", method="POST")
    office.wait_run(run_id, "interrupted")

    assert office.proposal(proposal_id).status == "approved"
    assert len(server.requests) == 1


def test_an_approved_file_is_written(office: Office, act: Act) -> None:
    folder = Path(act().app.config["WORKSPACES_FOLDER"]) / office.crew.project.key
    proposal_id, _ = office.approved("file_write", path="notes/a.txt", content="one\n")
    proposal = office.wait(proposal_id)

    assert (folder / "notes/a.txt").read_text() == "one\n"
    assert proposal.execution_result == "notes/a.txt is written: 4 bytes."


def test_of_two_files_that_look_alike_the_one_that_was_shown_is_written(office: Office, act: Act) -> None:
    """T-AP11: whoever types the name of the other one has approved nothing."""
    folder = Path(act().app.config["WORKSPACES_FOLDER"]) / office.crew.project.key
    folder.mkdir(parents=True)
    (folder / "pass.txt").write_text("one\n")
    proposal_id = office.propose("file_write", path="p\u0430ss.txt", content="two\n")
    with pytest.raises(Invalid, match="must be typed as it is written"):
        office.decide("approve", proposal_id, "pass.txt")
    db.session.rollback()
    office.approve(proposal_id)
    office.wait(proposal_id)

    assert (folder / "pass.txt").read_text() == "one\n"
    assert (folder / "p\u0430ss.txt").read_text() == "two\n"


def test_a_file_that_changed_after_it_was_shown_is_left_alone(office: Office, act: Act) -> None:
    folder = Path(act().app.config["WORKSPACES_FOLDER"]) / office.crew.project.key
    folder.mkdir(parents=True)
    (folder / "a").write_text("one\n")
    proposal_id = office.propose("file_write", path="a", content="two\n")
    (folder / "a").write_text("three\n")
    office.approve(proposal_id)
    proposal = office.wait(proposal_id, "failed")

    assert (folder / "a").read_text() == "three\n"
    assert "not the one that was to be changed" in (proposal.execution_result or "")
