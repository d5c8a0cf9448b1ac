"""Who asks, and whether that principal may: one function reads every kind of credential."""

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import Flask, Response, after_this_request, current_app, g, request
from sqlalchemy import bindparam, select
from sqlalchemy.orm.attributes import set_committed_value
from werkzeug.routing import Rule

from models import refusal
from models.base import begin_reading, db, reading, utcnow
from models.errors import Busy, Forbidden, NotYours, ReauthenticationNeeded, SignInNeeded
from models.policy import NOBODY, OPEN, RIGHTS, SIGNED_IN, Kind, Principal, known
from models.project import Project
from models.secret import digest
from models.session import FRESH, LONGEST, NOTED_EVERY, UserSession
from models.token import ApiToken
from models.user import Membership, User
from webapp import cookies, idempotency
from webapp.csrf import session_cookie_name
from webapp.kept import Recent
from webapp.limits import READS

View = TypeVar("View", bound=Callable[..., Any])

KNOWN = 1000
"""How many sessions a process knows without asking."""


# --- who ---


def principal() -> Principal:
    """Who asks, looked up once a request, in one query."""
    if "principal" not in g:
        g.principal = _find()
    found: Principal = g.principal
    return found


def current_user() -> User:
    """The person who asks; SignInNeeded for a visitor, Forbidden for an agent or a worker."""
    who = principal()
    if "user" not in g:
        if who.kind == "person":
            g.user = db.session.get_one(User, who.id)
        elif who.kind == "nobody":
            raise SignInNeeded
        else:
            raise Forbidden("this needs a person")
    user: User = g.user
    return user


def current_session() -> UserSession:
    """The browser's session; Forbidden when a token asks."""
    principal()
    if g.get("user_session") is None:
        raise Forbidden("this needs a person's own session")
    session: UserSession = g.user_session
    return session


def projects() -> dict[UUID, Project]:
    """The open projects that the principal has a role in."""
    who = principal()
    if "projects" not in g:
        mine = select(Project).where(Project.id.in_(who.roles), Project.archived_at.is_(None))
        g.projects = {project.id: project for project in db.session.scalars(mine)}
    found: dict[UUID, Project] = g.projects
    return found


def current_project() -> Project:
    """The project of the address."""
    project: Project = g.project
    return project


def _find(gated: bool = False) -> Principal:
    header = request.headers.get("Authorization")
    if header is not None:
        return by_token(_bearer(header))
    secret = request.cookies.get(session_cookie_name())
    if not secret:
        return NOBODY
    return by_known_session(secret) if gated else by_session(secret)


def _bearer(header: str) -> str:
    scheme, _, text = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        return ""
    return text.strip()


def by_session(secret: str) -> Principal:
    """The person behind a session's secret, or nobody."""
    at = UserSession.living_at(utcnow())
    rows = db.session.execute(_ONE, {"hash": digest(secret), **at}).all()
    if not rows:
        return NOBODY
    g.user_session, g.user = rows[0][0], rows[0][1]
    g.projects = {project.id: project for _, _, project, _ in rows if project is not None}
    roles = {project.id: role for _, _, project, role in rows if project is not None}
    return _person(g.user_session, roles)


def by_known_session(secret: str) -> Principal:
    """The same for a gate, which asks again in the transaction that writes: nobody is looked up twice."""
    sessions: Recent[tuple[Principal, UserSession]] = current_app.extensions["known_sessions"]
    before = sessions.get(digest(secret))
    if before is not None:
        who, g.user_session = before
        return who
    who = by_session(secret)
    if who is not NOBODY:
        sessions.put(digest(secret), (who, g.user_session))
    return who


# Made once: every request asks it, and making it took longer than the database's answer.
_ONE = UserSession.alive_in_projects(UserSession, User, Project, Membership.role).where(
    UserSession.token_hash == bindparam("hash")
)


def _person(session: UserSession, roles: dict[UUID, str]) -> Principal:
    return Principal(kind="person", id=session.user_id, session_id=session.id, roles=roles)


def by_token(text: str) -> Principal:
    """Whom a token speaks for; SignInNeeded when it is not, or no longer, good."""
    row = ApiToken.by_text(text)
    if row is None:
        raise SignInNeeded("this token is not valid")
    token, user, project, role = row
    g.token, g.projects = token, {project.id: project}
    if token.kind == "user":
        g.user = user
    return Principal(
        kind="person" if token.kind == "user" else cast(Kind, token.kind),
        id=token.user_id,
        token_id=token.id,
        token_kind=token.kind,
        agent_key=token.agent_key,
        scopes=frozenset(token.scopes),
        roles={project.id: role},
    )


def client_address() -> str:
    """Where the request comes from, as limits count it: one IPv6 subscriber is one /64."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


# --- may ---


def policy(
    right: str, *, apart: bool = False, gated: bool = False, fresh: bool = False
) -> Callable[[View], View]:
    """Declare and check what a view needs: a right, SIGNED_IN or OPEN.

    The project is the one of the address (project_key or project_id); a view without one calls
    `require` with the object that it loaded. With `apart` the check has a read transaction of its
    own, closed before the view begins; with `gated` too, and a gate asks for the right once more in the
    transaction that writes. With `fresh` the person must have signed in lately.
    """
    if not known(right):
        raise ValueError(f"no such right: {right}")

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                if right != OPEN:
                    _authenticate(apart, gated)
                    _check(right, kwargs)
                    if fresh:
                        _check_fresh()
                if apart or gated:
                    answer = view(*args, **kwargs)
                else:
                    answer = idempotency.once(right, view, args, kwargs)
            except (Forbidden, NotYours) as error:
                _audit_refusal(error, right)
                raise
            if right in RIGHTS and not g.get("checked"):
                raise RuntimeError(f"{request.endpoint} asked nobody whether {right} is allowed")
            return answer

        guarded.policy = right  # type: ignore[attr-defined]
        guarded.keeps_answers = not (apart or gated)  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def _authenticate(apart: bool, gated: bool) -> None:
    if (apart or gated) and "principal" not in g:
        with reading():
            g.principal = _find(gated)
            if db.session.registry.has():  # else nothing was asked here, but by another request
                db.session.commit()
    if principal().kind == "nobody":
        raise SignInNeeded


def _check(right: str, kwargs: dict[str, Any]) -> None:
    if right == SIGNED_IN:
        current_session()
    elif "project_key" in kwargs:
        found = [each for each in projects().values() if each.key == kwargs["project_key"]]
        if not found:
            raise NotYours(kwargs["project_key"])
        _enter(found[0], right)
    elif "project_id" in kwargs:
        project = projects().get(kwargs["project_id"])
        if project is None:
            raise NotYours(kwargs["project_id"])
        _enter(project, right)


def _enter(project: Project, right: str) -> None:
    require(right, project.id)
    g.project, g.role = project, principal().role_in(project.id)


def require(right: str, project_id: UUID) -> None:
    """NotYours for somebody else's project, Forbidden when the role or the token is not enough."""
    who = principal()
    if who.role_in(project_id) is None:
        raise NotYours(project_id)
    if not who.may(right, project_id):
        words = "your role may not do this" if who.token_id is None else "this token may not do this"
        raise Forbidden(words, project=project_id)
    g.checked = True


def _audit_refusal(error: Forbidden | NotYours, right: str) -> None:
    """Let it be written once the answer is out: not in the transaction that is given up, nor at its cost."""
    who: Principal = g.get("principal", NOBODY)
    if who.kind == "nobody" or isinstance(error, ReauthenticationNeeded):
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    subject, address = f"{right} at {request.endpoint}", client_address()

    def write() -> None:
        with app.app_context():
            refusal.note(who.key, "access.refused", subject, project=error.project, address=address)

    @after_this_request
    def later(response: Response) -> Response:
        response.call_on_close(write)
        return response


def _check_fresh() -> None:
    if current_session().authenticated_at < utcnow() - FRESH:
        raise ReauthenticationNeeded("sign in again first: this needs a sign-in of the last 15 minutes")


def refuse_views_without_policy(app: Flask) -> None:
    """The application does not start while a route says nothing about who may use it."""
    for endpoint in ("static", "api-docs.openapi_json"):
        if endpoint in app.view_functions:
            app.view_functions[endpoint] = policy(OPEN)(app.view_functions[endpoint])
    without = sorted(
        {
            rule.endpoint
            for rule in app.url_map.iter_rules()
            if not hasattr(app.view_functions[rule.endpoint], "policy")
        }
    )
    if without:
        raise RuntimeError(f"these routes declare no policy: {', '.join(without)}")
    unasked = sorted({rule.endpoint for rule in app.url_map.iter_rules() if _unasked_again(app, rule)})
    if unasked:
        raise RuntimeError(f"a repeat of these could ask nobody whether it may: {', '.join(unasked)}")


def _unasked_again(app: Flask, rule: Rule) -> bool:
    """Whether its answers are kept, and its address names nothing by which a repeat can be judged."""
    view: Any = app.view_functions[rule.endpoint]
    kept = "POST" in (rule.methods or ()) and view.keeps_answers and idempotency.is_of_api(rule.rule)
    judged = idempotency.PLACES | {"project_id", "project_key"}
    return bool(kept and view.policy in RIGHTS and not judged & rule.arguments)


def only_read_from_here() -> None:
    """Commit; what follows, such as the page that shows the result, reads one snapshot."""
    db.session.commit()
    begin_reading(True)


# --- around each request ---


def install(app: Flask) -> None:
    app.extensions["principal"] = principal
    app.extensions["known_sessions"] = Recent(KNOWN)

    @app.before_request
    def begin() -> None:
        begin_reading(request.method in READS)

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        begin_reading(False)

    @app.after_request
    def note_use(response: Response) -> Response:
        seen = g.get("user_session") or g.get("token")
        if seen is not None and _due(seen):
            # Once the answer is out: a GET's own transaction cannot write.
            kind, row_id = type(seen), seen.id
            # Who is known without being looked up is noted once a minute, too.
            set_committed_value(seen, "seen_at" if kind is UserSession else "last_used_at", utcnow())
            own = current_app._get_current_object()  # type: ignore[attr-defined]
            response.call_on_close(lambda: _note_use(own, kind, row_id))
        return response

    @app.context_processor
    def names() -> dict[str, Any]:
        # Only what is known already: an error page must not need the database.
        theme = request.cookies.get("theme") if request else None
        return {"current_user": g.get("user"), "role": g.get("role"), "theme": theme}


def _due(seen: UserSession | ApiToken) -> bool:
    last = seen.seen_at if isinstance(seen, UserSession) else seen.last_used_at
    return last is None or last < utcnow() - NOTED_EVERY


def _note_use(app: Flask, kind: type[UserSession] | type[ApiToken], row_id: UUID) -> None:
    with app.app_context():
        try:
            row: Any = db.session.get(kind, row_id)
            if row is not None and row.note_use():
                db.session.commit()
        except Busy:
            db.session.rollback()  # it is only a note; a request of the next minute writes it


def set_session_cookie(response: Response, secret: str, remember: bool) -> None:
    cookies.keep(response, session_cookie_name(), secret, LONGEST if remember else None)


def forget_session_cookie(response: Response) -> None:
    cookies.forget(response, session_cookie_name())
