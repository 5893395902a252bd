"""Addresses: the REST door under /api/v1, the admin, and the page for everything else."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie

_NOT_BUILT = "The page is not built yet: run `make frontend` and reload. The API answers under /api/v1.\n"

# The page brings everything itself; styles are set by its components, images are drawn by its charts.
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@never_cache
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The single page; its own router reads the rest of the address."""
    index = settings.FRONTEND_DIST / "index.html"
    if not index.is_file():
        return HttpResponse(_NOT_BUILT, status=503, content_type="text/plain")
    response = HttpResponse(index.read_bytes(), content_type="text/html")
    response["Content-Security-Policy"] = _POLICY
    return response


urlpatterns = [
    path("api/v1/", include("hpt_web.api.urls")),
    path("admin/", admin.site.urls),
    re_path(r"^(?!api/|admin/|static/|assets/|ws/).*$", page, name="page"),
]
