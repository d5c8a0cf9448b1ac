"""Every family of addresses; each module has one blueprint, `bp`."""

from importlib import import_module

from flask import Flask
from flask_smorest import Api

from webapp.schemas import Error

PAGES = (
    "probes", "setup", "sessions", "invites", "settings", "servers", "audit", "rooms", "dms", "tasks",
    "audits", "agents", "skills", "knowledge", "needs_you",
)  # fmt: skip
API = (
    "accounts", "invites", "tokens", "labs", "projects", "agents", "skills", "agent_work", "docs",
    "threads", "messages", "attachments", "reactions", "deliveries", "proposals", "tasks", "task_events",
    "plans", "audits", "streams", "sockets", "health", "chat",
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
    """The OpenAPI description; errors are answered by webapp/errors.py, for the whole application."""

    ERROR_SCHEMA = Error

    def __init__(self, app: Flask) -> None:
        super().__init__(app, spec_kwargs={"security": [{name: []} for name in SECURITY]})
        for name, scheme in SECURITY.items():
            self.spec.components.security_scheme(name, scheme)

    def _register_error_handlers(self) -> None:
        pass


def register(app: Flask) -> None:
    # The API first: its addresses are more particular than /<project_key>/….
    described = Described(app)
    for name in API:
        described.register_blueprint(import_module(f"webapp.api.{name}").bp)
    for name in PAGES:
        app.register_blueprint(import_module(f"webapp.pages.{name}").bp)
