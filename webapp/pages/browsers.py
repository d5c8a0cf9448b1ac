"""A browser in words that a person knows it by."""

# In this order: each names the ones after it too.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def called(user_agent: str) -> str:
    """As "Firefox on Linux"; what is none of these is called what it calls itself."""
    browser, system = (
        next((name for sign, name in signs if sign in user_agent), None) for signs in (_BROWSERS, _SYSTEMS)
    )
    if browser is None:
        return user_agent or "A browser"
    return f"{browser} on {system}" if system else browser
