"""Who may see and do what: every part of the service asks here, and nowhere else is it decided.

An outsider is told that nothing is there (`NotVisible`), a member without the right what is needed (`Forbidden`).
Administrators (superusers) are owners everywhere. A person who came with an access key (`User.origin`) is held within
the key's project and scopes; the role in the project is asked in addition.
"""

from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, Value

from hpt_web.accounts.errors import Forbidden, NotVisible
from hpt_web.accounts.models import Membership, Project, Role, Scope, User

_NO_PROJECT = "There is no project {slug!r} among those that you may see."


def visible_projects(user: User | AnonymousUser) -> QuerySet[Project]:
    """The projects that `user` may see; nothing for whoever is not logged in or was deactivated."""
    if not isinstance(user, User) or not user.is_active:
        return Project.objects.none()
    projects = Project.objects.all()
    key = user.origin.access_key
    if key is not None and key.project_id is not None:
        projects = projects.filter(pk=key.project_id)
    return projects if user.is_superuser else projects.filter(memberships__user=user)


def with_role(projects: QuerySet[Project], user: User) -> QuerySet[Project]:
    """The projects with `role`, that of `user`, on each."""
    if user.is_superuser:
        return projects.annotate(role=Value(Role.OWNER.value, output_field=CharField()))
    own = Membership.objects.filter(project=OuterRef("pk"), user=user).values("role")[:1]
    return projects.annotate(role=Case(default=Subquery(own), output_field=CharField()))


def role_in(user: User | AnonymousUser, project: Project) -> Role | None:
    """The role of `user` in `project`, or None for an outsider."""
    if not isinstance(user, User) or not visible_projects(user).filter(pk=project.pk).exists():
        return None
    if user.is_superuser:
        return Role.OWNER
    return Role(Membership.objects.values_list("role", flat=True).get(project=project, user=user))


def project_for(user: User | AnonymousUser, slug: str, at_least: Role = Role.VIEWER) -> Project:
    """The project `slug`, if `user` has the role `at_least` in it.

    Raises NotVisible for an outsider as for a name that does not exist, Forbidden for a member without the right.
    """
    project = visible_projects(user).filter(slug=slug.lower()).first()
    if project is None:
        raise NotVisible(_NO_PROJECT.format(slug=slug))
    require(user, project, at_least)
    return project


def require(user: User | AnonymousUser, project: Project, at_least: Role) -> None:
    """Raise unless `user` may do in `project` what the role `at_least` may do."""
    role = role_in(user, project)
    if role is None or not isinstance(user, User):
        raise NotVisible(_NO_PROJECT.format(slug=project.slug))
    if not role.covers(at_least):
        raise Forbidden(
            f"This needs the role {at_least.value} in project {project.slug!r}, and yours is {role.value}; "
            "an owner of the project can change it."
        )
    if at_least is not Role.VIEWER:
        require_write_scope(user)


def require_write_scope(user: User) -> None:
    """Raise Forbidden if the person came with an access key that may only read."""
    key = user.origin.access_key
    if key is not None and Scope.WRITE not in key.scopes:
        raise Forbidden(f"Access key {key.key_id} has the scope read only; this needs a key with the scope write.")
