"""People, projects, members and access keys, as the API writes them."""

from rest_framework import serializers

from hpt_web.accounts.models import Role, Scope
from hpt_web.api.serializers.common import Keep, Shape


class User(Shape):
    username = serializers.CharField()
    email = serializers.CharField()
    is_admin = serializers.BooleanField(source="is_superuser")


class Session(Shape):
    user = User(allow_null=True)


class Login(Shape):
    username = serializers.CharField()
    password = serializers.CharField()


class PasswordChange(Shape):
    current = serializers.CharField()
    password = serializers.CharField()


class AccessKey(Shape):
    id = serializers.CharField(source="key_id")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    project = serializers.CharField(source="project.slug", allow_null=True, default=None)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewAccessKey(AccessKey):
    secret = serializers.CharField(help_text="Shown this once. Use: `Authorization: Bearer <id>.<secret>`.")


class AccessKeyRequest(Shape):
    name = serializers.CharField(required=False)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    project = serializers.CharField(required=False, allow_null=True, help_text="Hold the key to this project.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    class Meta:
        ref_name = "AccessKey"


class Project(Shape):
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    role = serializers.ChoiceField(Role.choices, help_text="Yours in this project.")
    datasets = serializers.IntegerField(source="datasets_count", help_text="How many datasets the project has.")
    algorithms = serializers.IntegerField(source="algorithms_count")
    jobs = serializers.IntegerField(source="jobs_count")
    active_jobs = serializers.IntegerField(help_text="How many of its jobs are not over.")
    keep = Keep(
        allow_null=True, help_text="Of which trials its jobs keep the files, if they name no rule; null: of all."
    )
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class ProjectRequest(Shape):
    slug = serializers.CharField(help_text="Its name in addresses: small letters, digits and single hyphens.")
    name = serializers.CharField(required=False, help_text="For people; the slug if left out.")
    description = serializers.CharField(required=False)

    class Meta:
        ref_name = "Project"


class ProjectChange(Shape):
    name = serializers.CharField(required=False)
    description = serializers.CharField(required=False)
    keep = Keep(
        required=False,
        allow_null=True,
        help_text="The files of other trials are removed soon, also of jobs that are over; null keeps those of all.",
    )


class Member(Shape):
    username = serializers.CharField(source="user.username")
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()


class MemberRequest(Shape):
    username = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)

    class Meta:
        ref_name = "Member"


class MemberChange(Shape):
    role = serializers.ChoiceField(Role.choices)
