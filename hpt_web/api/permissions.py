"""What every address asks before its view runs. Rights within a project are asked by the actions and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from hpt_web.accounts.access import require_write_scope
from hpt_web.accounts.models import User

if TYPE_CHECKING:  # it imports this module
    from rest_framework.views import APIView


class SignedIn(BasePermission):
    """A person is logged in; a key with the scope read only may use no verb but the safe ones."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.user, User):
            return False
        if request.method not in SAFE_METHODS:
            require_write_scope(request.user)
        return True


class SignedInToRead(BasePermission):
    """A person is logged in, whatever the verb: for an address that takes a document and changes nothing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User)


class Anyone(BasePermission):
    """The few addresses that are open to whoever is not logged in; each names this class itself."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return True
