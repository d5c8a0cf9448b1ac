"""What people do with accounts, members, invites and tokens: one place for pages and API. Callers commit."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, exists, select

from models import audit, labs, refusal
from models.agent import Agent
from models.base import changed_rows, db, reading, utcnow
from models.errors import Busy, Forbidden, Invalid, NotFound
from models.limits import LoginAttempt
from models.project import Project
from models.secret import digest
from models.session import UserSession
from models.skill import FLAG as SKILLS
from models.skill import Skill
from models.text import clean_key, clean_name, invalid, slug
from models.token import ApiToken
from models.user import PASSWORD_LENGTHS, Invite, Membership, User, hash_password, password_matches
from webapp import devices
from webapp.auth import client_address, current_user, principal

RESERVED = frozenset(
    {"api", "static", "setup", "sign-in", "sign-out", "invites", "reset", "healthz", "readyz", "socket"}
    | {"proposals", "chat", "dms", "tasks", "runs", "agents", "schedule", "knowledge", "settings", "activity"}
)
"""First words of our own addresses, which no project's key may be."""

RESET_LIFE = timedelta(hours=24)
SETUP_LIFE = timedelta(hours=24)
DEMO_AGENTS = (
    ("ada", "Ada", "Operations", "Watches the systems, finds causes, and proposes what to do."),
    ("grace", "Grace", "Quality", "Reads what was built, asks for evidence, and names risks early."),
    ("linus", "Linus", "Research", "Looks things up, compares them, and answers in short."),
)

IN_LINE_SECONDS = 5
_HASHING = threading.BoundedSemaphore(2)
"""Two hashes at a time: a flood of sign-ins must leave a core for everybody else."""
_SIGNING_IN = threading.BoundedSemaphore(2)
"""Two sign-ins at a time, refused ones too: the rest of a flood waits where it is in nobody's way."""


def note(action: str, subject: str, project_id: UUID | None = None, **detail: Any) -> None:
    """Write to the audit log. Called before what it tells, since its lock puts such changes in a row."""
    audit.record(principal().key, action, subject[:200], project_id=project_id, **detail)


@contextmanager
def _slot(of: threading.BoundedSemaphore) -> Iterator[None]:
    if not of.acquire(timeout=IN_LINE_SECONDS):
        raise Busy("too many people sign in at this moment, try again")
    try:
        yield
    finally:
        of.release()


def turn_to_sign_in() -> AbstractContextManager[None]:
    """What signing in does, its answer included, is done inside. Busy after `IN_LINE_SECONDS`."""
    return _slot(_SIGNING_IN)


def hashed(password: object, *own: str) -> str:
    """The hash of a new password, for who has this name and address. Slow: outside any transaction."""
    with _slot(_HASHING):
        made: str = current_app.extensions["offload"](hash_password, password, *own)
        return made


def _matches(stored: str | None, password: str) -> bool:
    with _slot(_HASHING):
        return bool(current_app.extensions["offload"](password_matches, stored, password))


# --- signing in and out ---


def sign_in(email: str, password: str, old_secret: str | None) -> tuple[User, str]:
    """Who it is, and the secret of a new session; commits. Invalid, after equal work, when wrong."""
    address = client_address()
    with reading():  # a flood that is refused writes nothing
        user = User.by_email(email) if "\0" not in email else None
        counted_as = devices.known(user) or address
        LoginAttempt.check(email, counted_as)
        db.session.commit()
    attempt = _count(email, counted_as)
    stored = user.password_hash if user is not None and user.active else None
    if not _matches(stored, password[: PASSWORD_LENGTHS[1] + 1]):
        _note_failure(email, address)
        raise Invalid("the address or the password is not right")
    assert user is not None
    changed_rows(delete(LoginAttempt).where(LoginAttempt.id == attempt.id))
    audit.record(f"person:{user.id}", "sign_in", f"user {user.handle}", address=address)
    return user, start_session(user, old_secret)[1]


def _note_failure(email: str, address: str) -> None:
    subject = f"account {digest(email.lower())[:16]} from {address}"
    refusal.note("nobody", "sign_in.failed", subject, most=refusal.OF_SIGN_INS, address=address)


def _count(email: str, address: str) -> LoginAttempt:
    """Note the attempt before the slow work, as a failure until it turns out well; commits."""
    attempt = LoginAttempt.failed(email, address)
    db.session.commit()
    with reading():
        LoginAttempt.check(email, address, own=1)
        db.session.commit()
    return attempt


def start_session(user: User, old_secret: str | None) -> tuple[UserSession, str]:
    """A new id at every sign-in, and the end of the old one: a planted session gains nothing."""
    # Read again: an account may have been closed while its password was hashed.
    db.session.refresh(user)
    if not user.active:
        raise Invalid("the address or the password is not right")
    if old_secret and (old := UserSession.by_secret(old_secret)) is not None:
        old.revoke()
    session, secret = UserSession.start(user, client_address(), _user_agent())
    db.session.commit()
    return session, secret


def _user_agent() -> str:
    text = request.headers.get("User-Agent", "")
    return "".join(char for char in text if char.isprintable())[:200]


def sign_out(session: UserSession) -> None:
    audit.record(f"person:{session.user_id}", "sign_out", f"session {session.id}")
    session.revoke()


def own_session(session_id: UUID) -> UserSession:
    found = db.session.get(UserSession, session_id)
    if found is None or found.user_id != current_user().id or found.revoked_at is not None:
        raise NotFound
    return found


def own_sessions() -> list[UserSession]:
    query = UserSession.alive(UserSession).where(UserSession.user_id == current_user().id)
    newest = query.order_by(UserSession.seen_at.desc(), UserSession.id)
    return list(db.session.scalars(newest, UserSession.living_at(utcnow())))


def change_password(user: User, current: str, new: object, keep: UUID | None) -> None:
    """Ends every other session and all known devices; commits. Invalid names the field that is wrong."""
    stored, counted_as = user.password_hash, devices.known(user) or client_address()
    own = user.name, user.email
    LoginAttempt.check(user.email, counted_as)
    attempt = _count(user.email, counted_as)
    if not _matches(stored, current):
        refusal.note(principal().key, "password.refused", f"user {user.handle}", address=client_address())
        raise invalid("current", "is not your password")
    made = hashed(new, *own)
    changed_rows(delete(LoginAttempt).where(LoginAttempt.id == attempt.id))
    note("password.changed", f"user {user.handle}")
    user.password_hash = made
    UserSession.revoke_all(user, but=keep)
    db.session.commit()


def confirm(user: User, session: UserSession, password: str) -> None:
    """It is still the same person, by his password: the session counts as signed in now; commits.

    Raises Invalid or TooMany, as signing in does.
    """
    stored, counted_as = user.password_hash, devices.known(user) or client_address()
    LoginAttempt.check(user.email, counted_as)
    attempt = _count(user.email, counted_as)
    if not _matches(stored, password[: PASSWORD_LENGTHS[1] + 1]):
        refusal.note(principal().key, "password.refused", f"user {user.handle}", address=client_address())
        raise invalid("password", "is not your password")
    changed_rows(delete(LoginAttempt).where(LoginAttempt.id == attempt.id))
    note("session.confirmed", f"user {user.handle}", address=client_address())
    session.authenticated_at = utcnow()
    db.session.commit()


# --- one-time links: first run and reset ---


def _signer(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=f"teamroom/{purpose}/v1")


def setup_code() -> str:
    return str(_signer("setup").dumps("first owner"))


def check_setup_code(code: object) -> None:
    """NotFound once anybody has an account; Forbidden for a code that is not ours or too old."""
    if db.session.scalar(select(exists().select_from(User))):
        raise NotFound("this Team Room is set up already: sign in")
    try:
        _signer("setup").loads(str(code or ""), max_age=int(SETUP_LIFE.total_seconds()))
    except BadData:
        raise Forbidden(
            "this link is not valid or too old: make another with flask --app webapp setup-link"
        ) from None


@dataclass(frozen=True)
class FirstRun:
    """What the first-run form says."""

    code: str
    name: str
    email: str
    password: str
    project_name: str
    labs: bool
    agents: bool


def set_up(form: FirstRun) -> tuple[User, Project]:
    """The first owner and the first project; works once, however many ask at the same moment."""
    with reading():
        check_setup_code(form.code)
        db.session.rollback()  # what was read is read again below
    project_name = clean_name(form.project_name, "project_name")
    made = hashed(form.password, form.name, form.email)
    audit.lock()
    check_setup_code(form.code)  # again, behind the lock of the audit log
    user = User.create(form.email, form.name, made)
    project = Project.create(free_key(project_name), project_name)
    user.join(project, "owner")
    db.session.flush()
    audit.record("nobody", "setup", f"project {project.key}", project_id=project.id)
    if form.labs:
        write_labs(project.id, dict.fromkeys(labs.FLAGS, True))
    if form.agents:
        bring_in_agents(project)
    return user, project


def bring_in_agents(project: Project) -> None:
    """Three agents to start with; the first is the one who answers when nobody is named."""
    for key, name, title, persona in DEMO_AGENTS:
        key = Agent.free_key(project.id, key)
        Agent.provision(project.id, key, name, title=title, persona=persona)


def link_to_reset(user: User, project_id: UUID | None = None, by: UUID | None = None) -> str:
    """A link with which the person sets a new password, once, within a day.

    One that an owner made, `by`, works while he is one: else he could keep a way into the account.
    """
    maker = [str(project_id), str(by)] if by else []
    said = [str(user.id), _fingerprint(user), *maker]
    return f"{base_url()}/reset/{_signer('reset').dumps(said)}"


def _fingerprint(user: User) -> str:
    """Changes with the password, so that a link works once."""
    return digest(f"reset\n{user.password_hash}")[:32]


def user_of_reset(token: str) -> User:
    try:
        said = _signer("reset").loads(token, max_age=int(RESET_LIFE.total_seconds()))
    except BadData:
        raise NotFound("this link was used already, or is too old") from None
    user_id, fingerprint, *maker = said
    user = db.session.get(User, UUID(user_id))
    stands = not maker or Membership.allows("member.manage", *map(UUID, maker))
    if user is None or not user.active or not stands or fingerprint != _fingerprint(user):
        raise NotFound("this link was used already, or is too old")
    return user


def reset_password(token: str, password: object) -> User:
    """Ends every session; commits."""
    with reading():
        user = user_of_reset(token)
        own = user.name, user.email
        db.session.rollback()  # what was read is read again below
    made = hashed(password, *own)
    audit.lock()  # two who use the link at the same moment take turns
    user = user_of_reset(token)
    audit.record("nobody", "password.reset", f"user {user.handle}", by="link")
    user.password_hash = made
    UserSession.revoke_all(user)
    db.session.commit()
    return user


def base_url() -> str:
    """The address that people open; the commands of the operator know it only by its setting."""
    if public := current_app.config["PUBLIC_URL"]:
        return str(public).rstrip("/")
    if request:
        return request.host_url.rstrip("/")
    return f"http://{current_app.config['HOST']}:{current_app.config['PORT']}"


# --- projects and labs ---


def free_key(name: str) -> str:
    """A project key made of a name, with a number where that is taken or is one of our addresses."""
    base = slug(name)[:28]
    key, number = base, 1
    while key in RESERVED or db.session.scalar(select(exists().where(Project.key == key))):
        number += 1
        key = f"{base}{number}"
    return key


def create_project(name: str, key: str | None) -> Project:
    """Whoever owns a project may make another."""
    if "owner" not in principal().roles.values():
        raise Forbidden("only who owns a project may make another")
    if key in RESERVED:
        raise invalid("key", "is one of our own addresses")
    if key:
        clean_key(key)
    name = clean_name(name)
    audit.lock()  # else two who ask at the same moment are both told that the key is free
    if key and db.session.scalar(select(exists().where(Project.key == key))):
        raise invalid("key", "is taken")
    key = key or free_key(name)
    project = Project.create(key, name)
    current_user().join(project, "owner")
    db.session.flush()
    # With the project's id: an entry without one is told to the owners of his other projects.
    note("project.created", f"project {key}", project.id)
    return project


def rename(project: Project, name: object) -> None:
    """Give another name; the key, which is in every address, stays."""
    name = clean_name(name)
    note("project.renamed", f"project {project.key}", project.id)
    project.name = name


def choose_default_agent(project: Project, key: str | None) -> None:
    """Who is given what names nobody (R12); None for nobody."""
    if key is not None and Agent.by_key(project.id, key) is None:
        raise invalid("default_agent_key", "is no agent of this project")
    was = project.default_agent_key
    note("project.default_agent", f"project {project.key}", project.id, was=was or "", now=key or "")
    project.default_agent_key = key


def archive(project: Project) -> None:
    note("project.archived", f"project {project.key}", project.id)
    project.archive()


def unarchive(project_id: UUID) -> Project:
    """Only an owner sees that it is there."""
    project = db.session.get(Project, project_id)
    membership = Membership.of(project_id, current_user().id)
    if project is None or membership is None or membership.role != "owner":
        raise NotFound
    note("project.unarchived", f"project {project.key}", project.id)
    project.archived_at = None
    return project


def switch_labs(project_id: UUID, changes: dict[str, bool]) -> dict[str, bool]:
    subject = ", ".join(f"{flag} {'on' if on else 'off'}" for flag, on in changes.items())
    note("labs.switched", subject[:200], project_id)
    return write_labs(project_id, changes)


def write_labs(project_id: UUID, changes: dict[str, bool]) -> dict[str, bool]:
    """Switch flags; where skills come into sight, the executor is asked to look for them."""
    flags = labs.write(project_id, changes)
    if changes.get(SKILLS):
        Skill.ask_for(project_id, None)
    return flags


# --- members ---


def membership_of(project_id: UUID, user_id: UUID) -> Membership:
    found = Membership.of(project_id, user_id)
    if found is None:
        raise NotFound
    return found


def membership(project_id: UUID, membership_id: UUID) -> Membership:
    found = db.session.get(Membership, membership_id)
    if found is None or found.project_id != project_id:
        raise NotFound
    return found


def members(project_id: UUID) -> list[Membership]:
    query = select(Membership).join(User, User.id == Membership.user_id)
    query = query.where(Membership.project_id == project_id).order_by(User.name, Membership.id)
    return list(db.session.scalars(query))


def change_role(member: Membership, role: str) -> None:
    note("member.role", f"user {member.user.handle}", member.project_id, was=member.role, now=role)
    db.session.refresh(member)
    member.change_role(role)


def remove(member: Membership) -> None:
    note("member.removed", f"user {member.user.handle}", member.project_id, was=member.role)
    db.session.refresh(member)
    member.end()


def governs(user: User) -> bool:
    """An account is more than one project: only who owns all of its projects may touch it."""
    owned = {key for key, role in principal().roles.items() if role == "owner"}
    return {each.project_id for each in user.memberships} <= owned


def _govern(user: User) -> None:
    if not governs(user):
        raise Forbidden("this person is in projects that you do not own")


def deactivate(member: Membership) -> None:
    """Close the account: its sessions and tokens end at once, what it wrote stays."""
    user = member.user
    note("member.deactivated", f"user {user.handle}", member.project_id)
    _govern(user)
    user.deactivate()
    UserSession.revoke_all(user)
    for token in db.session.scalars(select(ApiToken).where(ApiToken.user_id == user.id)):
        token.revoke()


def reactivate(member: Membership) -> None:
    note("member.reactivated", f"user {member.user.handle}", member.project_id)
    _govern(member.user)
    member.user.reactivate()


def link_for_reset(member: Membership) -> str:
    note("password.reset_link", f"user {member.user.handle}", member.project_id)
    _govern(member.user)
    return link_to_reset(member.user, member.project_id, current_user().id)


# --- invites ---


def invite(project: Project, role: str) -> tuple[Invite, str]:
    """The invite, and the link that is shown once."""
    note("invite.created", f"role {str(role)[:20]}", project.id)
    made, secret = Invite.create(project, role, current_user())
    db.session.flush()
    return made, f"{base_url()}/invites/{secret}"


def open_invites(project_id: UUID) -> list[Invite]:
    query = select(Invite).where(
        Invite.project_id == project_id,
        Invite.used_at.is_(None),
        Invite.revoked_at.is_(None),
        Invite.expires_at > utcnow(),
    )
    return list(db.session.scalars(query.order_by(Invite.created_at.desc(), Invite.id)))


def revoke_invite(project_id: UUID, invite_id: UUID) -> Invite:
    found = db.session.get(Invite, invite_id)
    if found is None or found.project_id != project_id:
        raise NotFound
    note("invite.revoked", f"role {found.role}", project_id)
    db.session.refresh(found)
    if found.used_at is None and found.revoked_at is None:
        found.revoked_at = utcnow()
    return found


def open_invite(secret: str) -> Invite:
    """NotFound, too, once whoever made it may let nobody in any more: else he could keep a way back."""
    found = Invite.open_by_secret(secret)
    if not Membership.allows("invite.manage", found.project_id, found.created_by):
        raise NotFound("this invite was used, taken back, or is too old")
    return found


def accept_invite(secret: str, user: User) -> Membership:
    """Join; NotFound when somebody was faster."""
    audit.lock()  # two who use it at the same moment take turns
    invite = open_invite(secret)
    project_id = invite.project_id
    audit.record(f"person:{user.id}", "invite.accepted", f"user {user.handle}", project_id=project_id)
    joined = invite.accept(user)
    db.session.flush()
    return joined


def accept_as_new(secret: str, name: str, email: str, password: object) -> User:
    """A new account by invite; the hash is made outside any transaction."""
    with reading():
        open_invite(secret)
        db.session.rollback()  # what was read is read again below
    made = hashed(password, name, email)
    audit.lock()
    project_id = open_invite(secret).project_id
    user = User.create(email, name, made)
    audit.record("nobody", "account.created", f"user {user.handle}", project_id=project_id, by="invite")
    accept_invite(secret, user)
    return user


# --- tokens ---


def create_token(
    project_id: UUID,
    kind: str,
    name: str,
    *,
    agent_key: str | None = None,
    days: int = 90,
    scopes: list[str] | None = None,
) -> tuple[ApiToken, str]:
    """The token and its text, which is shown once."""
    note("token.created", f"{str(kind)[:10]} {str(name)[:80]}", project_id)
    if kind == "agent" and Agent.by_key(project_id, agent_key or "") is None:
        raise invalid("agent_key", "is no agent of this project")
    made = ApiToken.create(
        project_id,
        kind,
        name,
        scopes=scopes,
        agent_key=agent_key,
        user_id=current_user().id if kind == "user" else None,
        life=timedelta(days=days),
    )
    db.session.flush()
    return made


def living_tokens(project_id: UUID) -> list[ApiToken]:
    query = select(ApiToken).where(
        ApiToken.project_id == project_id,
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > utcnow(),
    )
    return list(db.session.scalars(query.order_by(ApiToken.created_at.desc(), ApiToken.id)))


def revoke_token(project_id: UUID, token_id: UUID) -> None:
    found = db.session.get(ApiToken, token_id)
    if found is None or found.project_id != project_id:
        raise NotFound
    note("token.revoked", f"{found.kind} {found.prefix}", project_id)
    found.revoke()
