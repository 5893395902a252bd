"""ASGI entry: HTTP by Django, WebSockets by `live`."""

import os
from typing import cast

from asgiref.typing import ASGI3Application
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpt_web.settings")
django_application = get_asgi_application()  # loads the apps, which the next import needs

from hpt_web import garbage, pulse  # noqa: E402
from hpt_web.api.uploads import BodyLimit  # noqa: E402
from hpt_web.live.routing import websocket_application  # noqa: E402

pulse.start("web")
application = ProtocolTypeRouter(
    {"http": BodyLimit(cast("ASGI3Application", django_application)), "websocket": websocket_application}
)
garbage.spare_what_is_loaded()
