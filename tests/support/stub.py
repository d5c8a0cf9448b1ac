"""A stand-in for the web application while it is being written."""

import os
import sys
from typing import Any

from flask import Flask

import models
from models import append_only
from models.base import db


def create_app(overrides: dict[str, Any]) -> Flask:
    app = Flask("stub")
    app.config.update(overrides, SQLALCHEMY_DATABASE_URI=overrides["DATABASE_URL"])
    db.init_app(app)
    return app


if __name__ == "__main__":
    from sqlalchemy import text

    with create_app({"DATABASE_URL": os.environ["DATABASE_OWNER_URL"]}).app_context():
        if "sqlite" in os.environ["DATABASE_URL"]:
            db.session.connection().connection.dbapi_connection.execute("ROLLBACK")
            db.session.connection().connection.dbapi_connection.execute("PRAGMA journal_mode=WAL")
            db.session.remove()
        db.create_all()
        db.session.add_all([models.AuthzEpoch(id=1), models.AuditHead(id=1)])
        append_only.protect(db.session.connection())
        if "postgresql" in os.environ["DATABASE_URL"]:
            db.session.execute(
                text("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO teamroom_app")
            )
            db.session.execute(text("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO teamroom_app"))
        db.session.commit()
    sys.exit(0)
