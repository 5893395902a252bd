"""WSGI entry, for tools that ask for one; the service itself runs on ASGI (`asgi.py`), which has the sockets."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpt_web.settings")
application = get_wsgi_application()
