"""Sessions, tokens, invites and memberships: what opens a door, and what closes it."""

from datetime import timedelta

import pytest
from flask_sqlalchemy import SQLAlchemy

from models import Agent, ApiToken, AuthzEpoch, Invite, Membership, Project, User, UserSession, labs
from models.base import utcnow
from models.errors import Conflict, Invalid, NotFound
from models.policy import RIGHTS, ROLES, TOKEN_RIGHTS, Principal
from models.user import clean_email, hash_password, password_matches
from tests.models.conftest import Room


class TestPasswords:
    def test_the_right_one_matches_and_no_other(self) -> None:
        stored = hash_password("correct horse battery")

        assert password_matches(stored, "correct horse battery")
        assert not password_matches(stored, "correct horse batterz")

    def test_nobody_has_no_password(self) -> None:
        assert not password_matches(None, "")

    @pytest.mark.parametrize("weak", ["", "short", "password1234", "x" * 129, 12, None])
    def test_weak_ones_are_refused_by_name(self, weak: object) -> None:
        with pytest.raises(Invalid) as refused:
            hash_password(weak)

        assert "password" in refused.value.fields


@pytest.mark.parametrize("bad", ["", "mara", "@x", "mara@", "a b@c.d", "a@b@c", None, "a\0@b.c"])
def test_an_address_must_look_like_one(bad: object) -> None:
    with pytest.raises(Invalid):
        clean_email(bad)


def test_an_address_is_used_once_whatever_its_case(room: Room) -> None:
    with pytest.raises(Conflict):
        User.create("MARA@example.org", "Another Mara", None)


def test_handles_are_unique_and_never_the_word_for_all(room: Room) -> None:
    assert User.create("m2@example.org", "Mara Two", None).handle == "mara2"
    assert User.create("all@example.org", "All", None).handle != "all"


def test_a_mention_means_one_and_no_agent_takes_a_persons_handle(room: Room) -> None:
    """Also of somebody who is in no project, or in another one: he may come into this one."""
    wanted = {"key": "mara", "name": "Mimic"}
    for named in (
        lambda: Agent.provision(room.project.id, **wanted),
        lambda: Agent.ask_for(room.project.id, wanted, room.mara.id),
        lambda: Agent.provision(Project.create("new", "New").id, **wanted),
    ):
        with pytest.raises(Conflict) as refused:
            named()
        assert refused.value.fields == {"key": ["is taken"]}

    assert User.create("t@example.org", "Trunks", None).handle == "trunks2"
    assert Agent.free_key(room.project.id, "mara") == "mara2"
    assert Agent.free_key(room.project.id, "vegeta") == "vegeta"


class TestSessions:
    def test_a_session_lives_until_it_is_revoked(self, room: Room, db: SQLAlchemy) -> None:
        session, secret = UserSession.start(room.mara, "127.0.0.1", "a browser")
        db.session.flush()
        assert UserSession.by_secret(secret) is session
        assert UserSession.by_secret(secret + "x") is None

        session.revoke()

        db.session.flush()
        assert UserSession.by_secret(secret) is None

    @pytest.mark.parametrize(
        ("column", "age"), [("seen_at", timedelta(hours=13)), ("created_at", timedelta(days=8))]
    )
    def test_it_ends_by_itself(self, room: Room, db: SQLAlchemy, column: str, age: timedelta) -> None:
        session, secret = UserSession.start(room.mara, "", "")

        setattr(session, column, utcnow() - age)

        db.session.flush()
        assert UserSession.by_secret(secret) is None

    def test_a_deactivated_person_has_none(self, room: Room, db: SQLAlchemy) -> None:
        _, secret = UserSession.start(room.mara, "", "")

        room.mara.deactivated_at = utcnow()

        db.session.flush()
        assert UserSession.by_secret(secret) is None


class TestTokens:
    def test_its_text_opens_and_only_its_hash_is_stored(self, room: Room, db: SQLAlchemy) -> None:
        token, text = ApiToken.create(room.project.id, "agent", "ci", agent_key="trunks")
        db.session.flush()

        assert ApiToken.by_text(text) == (token, None, room.project, "member")
        assert text not in str(vars(token))
        token.revoke()
        db.session.flush()
        assert ApiToken.by_text(text) is None

    @pytest.mark.parametrize("text", ["", "trm", "trm_agt_a_b_c", "trm_agt_a_b_00000000", "x" * 5000, "é_é"])
    def test_a_mistyped_one_is_refused_without_a_query(self, text: str) -> None:
        assert ApiToken.by_text(text) is None

    @pytest.mark.parametrize("life", [timedelta(0), timedelta(days=91)])
    def test_it_lives_ninety_days_at_most(self, room: Room, life: timedelta) -> None:
        with pytest.raises(Invalid):
            ApiToken.create(room.project.id, "user", "x", life=life)

    def test_no_kind_can_be_given_what_it_must_not_have(self, room: Room) -> None:
        with pytest.raises(Invalid) as refused:
            ApiToken.create(room.project.id, "agent", "x", agent_key="trunks", scopes=["labs.manage"])

        assert "scopes" in refused.value.fields


class TestInvites:
    def test_it_opens_once(self, room: Room, db: SQLAlchemy) -> None:
        _, secret = Invite.create(room.project, "operator", room.mara)
        guest = User.create("guest@example.org", "Guest", None)
        db.session.flush()

        assert Invite.open_by_secret(secret).accept(guest).role == "operator"

        db.session.flush()
        with pytest.raises(NotFound):
            Invite.open_by_secret(secret)

    @pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
    def test_a_closed_one_looks_like_an_unknown_one(self, room: Room, db: SQLAlchemy, end: str) -> None:
        invite, secret = Invite.create(room.project, "member", room.mara)

        setattr(invite, end, utcnow())

        db.session.flush()
        with pytest.raises(NotFound):
            Invite.open_by_secret(secret)

    def test_it_never_lowers_a_role(self, room: Room, db: SQLAlchemy) -> None:
        invite, _ = Invite.create(room.project, "viewer", room.mara)
        db.session.flush()

        assert invite.accept(room.mara).role == "owner"


def test_a_project_keeps_an_owner(room: Room, db: SQLAlchemy) -> None:
    owner = Membership.of(room.project.id, room.mara.id)
    assert owner is not None

    with pytest.raises(Invalid):
        owner.change_role("member")
    with pytest.raises(Invalid):
        owner.end()

    room.jonas.join(room.project, "owner")
    db.session.flush()
    owner.change_role("member")
    assert owner.role == "member"


class TestEpoch:
    def moved(self, db: SQLAlchemy) -> bool:
        before = AuthzEpoch.current()
        db.session.commit()
        return AuthzEpoch.current() > before

    def test_every_change_of_rights_moves_it(self, room: Room, db: SQLAlchemy) -> None:
        session, _ = UserSession.start(room.mara, "", "")
        assert self.moved(db)
        session.revoke()
        assert self.moved(db)
        room.jonas.join(room.project, "operator")
        assert self.moved(db)
        labs.write(room.project.id, {"team_room": False})
        assert self.moved(db)
        db.session.delete(Membership.of(room.project.id, room.jonas.id))
        assert self.moved(db)

    def test_a_message_does_not(self, room: Room, db: SQLAlchemy) -> None:
        room.say("hello")

        assert not self.moved(db)


class TestRights:
    def principal(self, room: Room, role: str | None, **more: object) -> Principal:
        roles = {room.project.id: role} if role else {}
        return Principal(kind="person", roles=roles, **more)  # type: ignore[arg-type]

    @pytest.mark.databases("sqlite")
    @pytest.mark.parametrize("right", sorted(RIGHTS))
    def test_a_right_belongs_to_its_role_and_those_above(self, room: Room, right: str) -> None:
        lowest = ROLES.index(RIGHTS[right])

        for number, role in enumerate(ROLES):
            assert self.principal(room, role).may(right, room.project.id) is (number >= lowest)
        assert not self.principal(room, None).may(right, room.project.id)

    @pytest.mark.databases("sqlite")
    @pytest.mark.parametrize("kind", sorted(TOKEN_RIGHTS))
    @pytest.mark.parametrize("right", sorted(RIGHTS))
    def test_a_token_never_has_more_than_its_kind(self, room: Room, kind: str, right: str) -> None:
        token = self.principal(room, "owner", token_kind=kind, scopes=frozenset(RIGHTS))

        assert token.may(right, room.project.id) is (right in TOKEN_RIGHTS[kind])

    def test_an_unknown_right_is_an_error_and_not_a_no(self, room: Room) -> None:
        with pytest.raises(KeyError):
            self.principal(room, "owner").may("fly", room.project.id)


class TestLabs:
    def test_all_are_off_in_a_new_project(self, room: Room) -> None:
        assert set(labs.read(Project.create("new", "New").id).values()) == {False}

    def test_an_undeclared_flag_raises(self, room: Room) -> None:
        with pytest.raises(KeyError):
            labs.enabled("teleport", room.project.id)
        with pytest.raises(Invalid):
            labs.write(room.project.id, {"teleport": True})
        with pytest.raises(Invalid):
            labs.write(room.project.id, {"team_room": "yes"})  # type: ignore[dict-item]
