"""The web application, put together from its parts."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

import models  # noqa: F401 - all tables, whoever asks first
from models import crashpoint
from models.base import db
from queues import doorbell
from realtime import publication  # noqa: F401 - the commit hook
from webapp import assets, auth, blueprints, cards, cli, config, csrf, errors, forms, limits, logs, security

__all__ = ["create_app", "started"]


class Application(Flask):
    """Flask, behind proxies: what they say is read before anything else looks, the socket server too."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        hops = self.config["TRUSTED_PROXIES"]
        if not hops:
            return self.wsgi_app(environ, start_response)
        return ProxyFix(self.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)(environ, start_response)


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """The application for these settings; BadSetting or RuntimeError when it must not start."""
    app = Application(__name__, static_folder=str(config.ROOT / "static"))
    app.config.update(config.load(overrides))
    crashpoint.arm(app.config["CRASHPOINT"])
    app.extensions["offload"] = _directly
    db.init_app(app)
    Migrate(app, db, directory=str(config.ROOT / "migrations"))
    # The order matters: the log line is begun first, and bodies are read before anything trusts them.
    for part in (logs, limits, auth, csrf, errors, security, assets, cards, forms, cli):
        part.install(app)
    doorbell.install(app)
    blueprints.register(app)
    auth.refuse_views_without_policy(app)
    return app


def started() -> Flask:
    """The application of a process; a setting that is wrong ends the process with one sentence."""
    try:
        return create_app()
    except config.BadSetting as error:
        sys.exit(str(error))


def _directly(work: Any, *args: Any) -> Any:
    """Slow work in place; wsgi.py puts a pool of real threads here, so that the web loop never stalls."""
    return work(*args)
