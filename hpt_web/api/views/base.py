"""What all views share: who asks, and reading a request's document with every fault at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.views import APIView

from hpt_web.accounts.errors import Faulty, Invalid, NotSignedIn
from hpt_web.accounts.models import User
from tuning.documents import Document
from tuning.errors import InvalidSpec


def person(request: Request) -> User:
    """Who asks. The permission SignedIn has made sure that there is somebody."""
    if not isinstance(request.user, User):
        raise NotSignedIn("Log in first.")
    return request.user


@contextmanager
def reading(request: Request) -> Iterator[Document]:
    """The request's document, to be read and acted upon within one transaction.

    Faults that the reading finds and those that the action finds are refused together, one for each field; whatever
    the action did is undone then.
    """
    document = Document(request.data)
    with transaction.atomic():
        faults: list[Faulty] = []
        try:
            yield document
            document.close()
        except (Invalid, InvalidSpec) as error:
            document.close()
            faults.extend(error.faults)
        found = {fault.field for fault in document.faults}
        faults = [*document.faults, *(fault for fault in faults if fault.field not in found)]
        if faults:
            raise Invalid(faults)


def optional_text(document: Document, name: str) -> str | None:
    """The member as a text; None if it is absent or null, which leaves things as they are."""
    return None if document.raw(name) is None else document.text(name, default="", longest=10_000)


# Base of all views; settings.REST_FRAMEWORK says how they let people in. No docstring, as it would become the
# description of every operation that has none.
class View(APIView):
    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")  # what one person may see is not for a shared cache
        return answer
