"""Addresses of what the browser loads: they change with the content, so they may be cached for ever."""

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request

from webapp.config import ROOT

VENDOR = ROOT / "static/vendor"
FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """The manifest that the build wrote: name → file?v=hash."""

    def __init__(self, folder: Path = VENDOR) -> None:
        path = folder / "manifest.json"
        self.manifest: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        scripts = {
            name: self.address(name)
            for name, file in self.manifest.items()
            if file.partition("?")[0].endswith(".js")
        }
        self.importmap = json.dumps({"imports": scripts}, separators=(",", ":"), sort_keys=True)
        digest = hashlib.sha256(self.importmap.encode()).digest()
        self.importmap_hash = f"sha256-{base64.b64encode(digest).decode()}"
        self._versions = dict(file.partition("?v=")[::2] for file in self.manifest.values())

    def address(self, name: str) -> str:
        return f"/static/vendor/{self.manifest.get(name, name)}"

    def unchanging(self, path: str, version: str) -> bool:
        """Whether this address names exactly the bytes that are served under it."""
        return bool(version) and self._versions.get(path.removeprefix("/static/vendor/")) == version


@lru_cache(maxsize=1)
def assets() -> Assets:
    return Assets()


def install(app: Flask) -> None:
    found = assets()
    app.jinja_env.globals.update(asset=found.address, importmap=found.importmap)

    @app.after_request
    def cache(response: Response) -> Response:
        if request.endpoint == "static":
            fixed = found.unchanging(request.path, request.args.get("v", ""))
            response.headers["Cache-Control"] = FOR_EVER if fixed else "no-cache"
        return response


def built() -> bool:
    return (VENDOR / "manifest.json").exists()
