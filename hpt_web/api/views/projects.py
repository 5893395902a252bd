"""Projects and their members."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Count, Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts import actions
from hpt_web.accounts.access import project_for, visible_projects, with_role
from hpt_web.accounts.models import Membership, Project, User
from hpt_web.api.pagination import page, text_parameter
from hpt_web.api.schema import CURSOR, LIMIT, operation, page_of, query
from hpt_web.api.serializers import accounts as shapes
from hpt_web.api.views.base import View, optional_text, person, reading
from hpt_web.catalog.models import Algorithm, Dataset
from hpt_web.jobs.models import TuningJob
from tuning.trial_rules import read_keep


def _rows(user: User, projects: QuerySet[Project]) -> QuerySet[Project]:
    return with_role(projects, user).select_related("created_by")


def _presented(projects: Sequence[Project]) -> list[object]:
    """Projects with the number of things in each; three queries for any number of projects."""
    ids = [project.pk for project in projects]

    def counted(rows: QuerySet[Dataset] | QuerySet[Algorithm]) -> dict[int, int]:
        return dict(rows.filter(project__in=ids).values_list("project").annotate(n=Count("pk")))

    datasets, algorithms = counted(Dataset.objects.all()), counted(Algorithm.objects.all())
    jobs = {
        project: (number, active)
        for project, number, active in TuningJob.objects.filter(project__in=ids)
        .values_list("project")
        .annotate(n=Count("pk"), active=Count("pk", filter=Q(ended_at__isnull=True)))
    }
    for project in projects:
        row = vars(project)
        row["datasets_count"] = datasets.get(project.pk, 0)
        row["algorithms_count"] = algorithms.get(project.pk, 0)
        row["jobs_count"], row["active_jobs"] = jobs.get(project.pk, (0, 0))
    return list(shapes.Project(projects, many=True).data)


def _one(user: User, slug: str) -> Response:
    project = _rows(user, visible_projects(user)).get(slug=slug)
    return Response(_presented([project])[0])


class ProjectsView(View):
    @operation(
        "listProjects", "The projects that you may see", tag="projects", gives=page_of(shapes.Project),
        parameters=[query("q", "Only those with this text in slug or name."), LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        user = person(request)
        projects = _rows(user, visible_projects(user))
        if text := text_parameter(request, "q"):
            projects = projects.filter(Q(slug__icontains=text) | Q(name__icontains=text))
        return page(request, projects, ["slug"], _presented)

    @operation(
        "createProject", "Make a project, as its owner", tag="projects", takes=shapes.ProjectRequest,
        gives=shapes.Project, status=201,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        with reading(request) as document:
            project = actions.create_project(
                actor=person(request),
                slug=document.text("slug"),
                name=document.text("name", default=""),
                description=document.text("description", default="", longest=actions.LONGEST_DESCRIPTION),
            )
        answer = _one(person(request), project.slug)
        answer.status_code = 201
        return answer


class ProjectView(View):
    @operation("getProject", "A project", tag="projects", gives=shapes.Project)
    def get(self, request: Request, project: str) -> Response:
        return _one(person(request), project_for(request.user, project).slug)

    @operation("updateProject", "Change a project", tag="projects", takes=shapes.ProjectChange, gives=shapes.Project)
    def patch(self, request: Request, project: str) -> Response:
        with reading(request) as document:
            row = actions.update_project(
                actor=person(request),
                project=project,
                name=optional_text(document, "name"),
                description=optional_text(document, "description"),
                keep=read_keep(document.part("keep")) if document.has("keep") else actions.Unchanged.KEEP,
            )
        return _one(person(request), row.slug)

    @operation("deleteProject", "Delete an empty project", tag="projects", status=204)
    def delete(self, request: Request, project: str) -> Response:
        actions.delete_project(actor=person(request), project=project)
        return Response(status=204)


class MembersView(View):
    @operation(
        "listMembers", "Who is in a project", tag="members", gives=page_of(shapes.Member), parameters=[LIMIT, CURSOR]
    )
    def get(self, request: Request, project: str) -> Response:
        members = project_for(request.user, project).memberships.select_related("user")
        return page(request, members, ["id"], lambda rows: shapes.Member(rows, many=True).data)

    @operation(
        "addMember", "Take somebody into a project", tag="members", takes=shapes.MemberRequest, gives=shapes.Member,
        status=201,
    )  # fmt: skip
    def post(self, request: Request, project: str) -> Response:
        with reading(request) as document:
            member = actions.add_member(
                actor=person(request),
                project=project,
                username=document.text("username"),
                role=document.text("role"),
            )
        return _member(member, 201)


class MemberView(View):
    @operation("changeMember", "Change a member's role", tag="members", takes=shapes.MemberChange, gives=shapes.Member)
    def patch(self, request: Request, project: str, username: str) -> Response:
        with reading(request) as document:
            member = actions.change_member(
                actor=person(request), project=project, username=username, role=document.text("role")
            )
        return _member(member, 200)

    @operation("removeMember", "Take somebody out of a project, or leave it", tag="members", status=204)
    def delete(self, request: Request, project: str, username: str) -> Response:
        actions.remove_member(actor=person(request), project=project, username=username)
        return Response(status=204)


def _member(member: Membership, status: int) -> Response:
    return Response(shapes.Member(member).data, status)
