"""Every family of addresses; each module has one blueprint, `bp`."""

from importlib import import_module

from apispec import APISpec
from flask import Flask
from flask_smorest import Api, Blueprint

from webapp.schemas import Error

PAGES = (
    "probes", "setup", "sessions", "invites", "settings", "servers", "audit", "rooms", "dms", "tasks",
    "audits", "agents", "skills", "knowledge", "needs_you",
)  # fmt: skip
API = (
    "accounts", "invites", "tokens", "labs", "projects", "agents", "skills", "agent_work", "docs",
    "threads", "messages", "reactions", "deliveries", "proposals", "tasks", "task_events", "plans", "audits",
    "streams", "sockets", "health", "chat",
)  # fmt: skip


SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token, trm_…: of a person or an agent"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "tr_sid",
        "description": "A signed-in page, by https __Host-tr_sid; changes need X-CSRF-Token too",
    },
}


class Described(Api):
    """The OpenAPI description; errors are answered by webapp/errors.py, for the whole application.

    It is made when somebody asks for it: that takes half as long as all else of a process's start.
    """

    ERROR_SCHEMA = Error

    def __init__(self, app: Flask) -> None:
        self._undescribed: list[Blueprint] = []
        super().__init__(app, spec_kwargs={"security": [{name: []} for name in SECURITY]})
        for name, scheme in SECURITY.items():
            self._spec.components.security_scheme(name, scheme)

    @property
    def spec(self) -> APISpec:
        undescribed, self._undescribed = self._undescribed, []
        for blueprint in undescribed:
            blueprint.register_views_in_doc(self, self._app, self._spec, name=blueprint.name, parameters=None)
            self._spec.tag({"name": blueprint.name, "description": blueprint.description})
        return self._spec

    @spec.setter
    def spec(self, spec: APISpec) -> None:
        self._spec = spec

    def register_blueprint(self, blueprint: Blueprint) -> None:
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint)
        self._undescribed.append(blueprint)

    def _register_error_handlers(self) -> None:
        pass


def register(app: Flask) -> None:
    # The API first: its addresses are more particular than /<project_key>/….
    described = Described(app)
    for name in API:
        described.register_blueprint(import_module(f"webapp.api.{name}").bp)
    for name in PAGES:
        app.register_blueprint(import_module(f"webapp.pages.{name}").bp)
