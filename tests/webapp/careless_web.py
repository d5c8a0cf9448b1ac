"""Web without webapp/limits.py: the control of test_fuzz, where what is sent reaches the views as it is."""

import wsgi
from webapp import limits

if __name__ == "__main__":
    limits.install = lambda app: None
    wsgi.main()
