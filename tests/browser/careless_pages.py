"""Web that escapes nothing, sanitises nothing and has no policy: the control of test_scripts."""

import wsgi
from models import markup
from webapp import security

if __name__ == "__main__":
    from flask import Flask  # after wsgi, which patches what it loads

    markup._sanitise = lambda html: html
    markup._markdown.options["html"] = True
    Flask.select_jinja_autoescape = lambda self, filename: False  # type: ignore[method-assign]
    security.install = lambda app: app.context_processor(lambda: {"csp_nonce": ""})
    wsgi.main()
