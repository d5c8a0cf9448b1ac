"""Every family of addresses; each module has one blueprint, `bp`."""

from importlib import import_module

from flask import Flask
from flask_smorest import Api

PAGES = ("probes", "setup", "sessions", "invites", "settings", "rooms", "agents")
API = (
    "accounts", "invites", "tokens", "labs", "projects", "agents", "agent_work",
    "threads", "messages", "reactions", "deliveries", "streams", "sockets", "health", "chat",
)  # fmt: skip


class Described(Api):
    """The OpenAPI description; errors are answered by webapp/errors.py, for the whole application."""

    def _register_error_handlers(self) -> None:
        pass


def register(app: Flask) -> None:
    # The API first: its addresses are more particular than /<project_key>/….
    described = Described(app)
    for name in API:
        described.register_blueprint(import_module(f"webapp.api.{name}").bp)
    for name in PAGES:
        app.register_blueprint(import_module(f"webapp.pages.{name}").bp)
