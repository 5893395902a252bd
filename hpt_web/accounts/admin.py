"""The administrator's pages for people, quotas and the audit trail. Changes go through the same actions as REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.http import HttpRequest

from hpt_web.accounts import actions, audit
from hpt_web.accounts.models import AccessKey, AuditEvent, Membership, Pool, PoolShare, Project, Quota, Team, User

if TYPE_CHECKING:  # only the stubs' classes take parameters
    UserForm = AdminUserCreationForm[User]
    UserPages = UserAdmin[User]
    QuotaFormBase = forms.ModelForm[Quota]
    QuotaPages = admin.ModelAdmin[Quota]
    MemberTable = admin.TabularInline[Membership, Project]
    ProjectPages = admin.ModelAdmin[Project]
    KeyPages = admin.ModelAdmin[AccessKey]
    AuditPages = admin.ModelAdmin[AuditEvent]
    TeamPages = admin.ModelAdmin[Team]
    PoolPages = admin.ModelAdmin[Pool]
    SharePages = admin.ModelAdmin[PoolShare]
else:
    UserForm, UserPages, QuotaFormBase, MemberTable = (
        AdminUserCreationForm,
        UserAdmin,
        forms.ModelForm,
        admin.TabularInline,
    )
    QuotaPages = ProjectPages = KeyPages = AuditPages = TeamPages = PoolPages = SharePages = admin.ModelAdmin

admin.site.site_header = admin.site.site_title = "HPT administration"


class _ReadOnly:
    """Mixed into an admin whose rows are looked at here and changed elsewhere, or never."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def acting(request: HttpRequest) -> User:
    """The administrator; the admin site lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user


class NewUserForm(UserForm):
    """The passwords are checked by the form with the same validators as `actions.create_user` uses."""

    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("username", "email", "is_superuser")


@admin.register(User)
class PeopleAdmin(UserPages):
    add_form = NewUserForm
    add_fieldsets = ((None, {"fields": ("username", "email", "is_superuser", "password1", "password2")}),)
    fieldsets = (
        (None, {"fields": ("username", "email", "password")}),
        ("Access", {"fields": ("is_active", "is_superuser", "is_staff")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    list_display = ("username", "email", "is_superuser", "is_active", "last_login")
    list_filter = ("is_superuser", "is_active")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # accounts are deactivated: what they made keeps its author

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            data = {name: str(form.cleaned_data[name]) for name in form.changed_data if name != "password"}
            audit.record(
                actor=acting(request), action="user.change", target_kind="user", target=obj.username, data=data
            )
            return
        made = actions.create_user(
            actor=acting(request),
            username=obj.username,
            password=form.cleaned_data["password1"],
            email=obj.email,
            is_superuser=obj.is_superuser,
        )
        obj.pk = made.pk


class QuotaForm(QuotaFormBase):
    class Meta:
        model = Quota
        fields = ("project", "user", "resource", "pool", "limit")

    def clean(self) -> dict[str, object]:
        """As `actions.set_quota` refuses it, so that the form shows it instead of failing."""
        values = super().clean() or {}
        if (values.get("resource") == Quota.Resource.DEVICES) != bool(values.get("pool")):
            self.add_error("pool", "Name a pool for a limit on devices, and only then.")
        return values


@admin.register(Quota)
class QuotaAdmin(QuotaPages):
    form = QuotaForm
    list_display = ("resource", "pool", "limit", "project", "user")
    list_filter = ("resource",)

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: bool) -> None:
        if change:  # its scope may have changed as well
            self.delete_model(request, Quota.objects.get(pk=obj.pk))
        actions.set_quota(
            actor=acting(request),
            resource=obj.resource,
            limit=obj.limit,
            project=obj.project,
            user=obj.user,
            pool=obj.pool,
        )
        obj.pk = Quota.objects.get(project=obj.project, user=obj.user, resource=obj.resource, pool=obj.pool).pk

    def delete_model(self, request: HttpRequest, obj: Quota) -> None:
        actions.set_quota(
            actor=acting(request),
            resource=obj.resource,
            limit=None,
            project=obj.project,
            user=obj.user,
            pool=obj.pool,
        )

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for quota in queryset:
            self.delete_model(request, quota)


@admin.register(Team)
class TeamAdmin(_ReadOnly, TeamPages):
    """Looked at here; changed over REST, where a change is checked with all of its faults at once."""

    list_display = ("name", "created_at")


@admin.register(Pool)
class PoolAdmin(_ReadOnly, PoolPages):
    list_display = ("name", "devices", "device_type")


@admin.register(PoolShare)
class PoolShareAdmin(_ReadOnly, SharePages):
    list_display = ("team", "pool", "guaranteed", "cap", "weight")
    list_filter = ("pool",)


class MemberInline(_ReadOnly, MemberTable):
    model = Membership
    fields = ("user", "role", "created_at")
    extra = 0


@admin.register(Project)
class ProjectAdmin(_ReadOnly, ProjectPages):
    list_display = ("slug", "name", "created_by", "created_at")
    search_fields = ("slug", "name")
    inlines = (MemberInline,)


@admin.register(AccessKey)
class AccessKeyAdmin(_ReadOnly, KeyPages):
    list_display = ("key_id", "user", "name", "scopes", "project", "expires_at", "revoked_at", "last_used_at")
    exclude = ("sealed_secret",)
    search_fields = ("key_id", "user__username")


@admin.register(AuditEvent)
class AuditAdmin(_ReadOnly, AuditPages):
    list_display = ("at", "actor", "action", "target_kind", "target", "project", "access_key", "address")
    list_filter = ("action",)
    search_fields = ("target", "actor__username")
    date_hierarchy = "at"
