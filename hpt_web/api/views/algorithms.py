"""Algorithms, their versions, and the code that is uploaded for them."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts.errors import Fault, Invalid, NotVisible
from hpt_web.api.pagination import page, text_parameter
from hpt_web.api.schema import BINARY, CURSOR, LIMIT, operation, page_of, query
from hpt_web.api.serializers import catalog as shapes
from hpt_web.api.uploads import body_of
from hpt_web.api.views.base import View, optional_text, person, reading
from hpt_web.catalog import actions, bundles
from hpt_web.catalog.models import Algorithm
from hpt_web.catalog.queries import algorithm_for, algorithm_version_for, algorithms_in

_TAG = "algorithms"
_SHOWN_TEXT = 256 * 1024


def _presented(algorithms: Sequence[Algorithm]) -> list[object]:
    return list(shapes.Algorithm(algorithms, many=True).data)


class AlgorithmsView(View):
    @operation(
        "listAlgorithms", "The algorithms of a project", tag=_TAG, gives=page_of(shapes.Algorithm),
        parameters=[query("q", "Only those with this text in their name."), LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str) -> Response:
        algorithms = algorithms_in(request.user, project).filter(name__icontains=text_parameter(request, "q"))
        return page(request, algorithms, ["name"], _presented)

    @operation(
        "createAlgorithm", "Make an algorithm, without a version as yet", tag=_TAG, takes=shapes.CatalogRequest,
        gives=shapes.Algorithm, status=201,
    )  # fmt: skip
    def post(self, request: Request, project: str) -> Response:
        with reading(request) as document:
            algorithm = actions.create_algorithm(
                actor=person(request),
                project=project,
                name=document.text("name"),
                description=document.text("description", default="", longest=10_000),
            )
        return Response(_presented([algorithm_for(request.user, project, algorithm.name)])[0], 201)


class AlgorithmView(View):
    @operation("getAlgorithm", "An algorithm", tag=_TAG, gives=shapes.Algorithm)
    def get(self, request: Request, project: str, algorithm: str) -> Response:
        return Response(_presented([algorithm_for(request.user, project, algorithm)])[0])

    @operation("updateAlgorithm", "Change an algorithm", tag=_TAG, takes=shapes.AlgorithmChange, gives=shapes.Algorithm)
    def patch(self, request: Request, project: str, algorithm: str) -> Response:
        with reading(request) as document:
            row = actions.update_algorithm(
                actor=person(request),
                project=project,
                algorithm=algorithm,
                name=optional_text(document, "name"),
                description=optional_text(document, "description"),
            )
            network = optional_text(document, "network")
            if network is not None:
                row.network = actions.grant_network(
                    actor=person(request), project=project, algorithm=row.name, network=network
                ).network
        return Response(_presented([row])[0])

    @operation("deleteAlgorithm", "Delete an algorithm that no job has used", tag=_TAG, status=204)
    def delete(self, request: Request, project: str, algorithm: str) -> Response:
        actions.delete_algorithm(actor=person(request), project=project, algorithm=algorithm)
        return Response(status=204)


class AlgorithmVersionsView(View):
    @operation(
        "listAlgorithmVersions", "The versions of an algorithm, newest first", tag=_TAG,
        gives=page_of(shapes.AlgorithmVersion), parameters=[LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str, algorithm: str) -> Response:
        versions = algorithm_for(request.user, project, algorithm).versions
        rows = versions.select_related("created_by", "equivalent_to")
        return page(request, rows, ["-number"], lambda found: shapes.AlgorithmVersion(found, many=True).data)

    @operation(
        "createAlgorithmVersion", "Add a version", tag=_TAG, takes=shapes.AlgorithmVersionRequest,
        gives=shapes.AlgorithmVersion, status=201,
    )  # fmt: skip
    def post(self, request: Request, project: str, algorithm: str) -> Response:
        version = actions.add_algorithm_version(
            actor=person(request), project=project, algorithm=algorithm, document=request.data
        )
        return Response(shapes.AlgorithmVersion(version).data, 201)


class AlgorithmVersionView(View):
    @operation("getAlgorithmVersion", "A version of an algorithm", tag=_TAG, gives=shapes.AlgorithmVersion)
    def get(self, request: Request, project: str, algorithm: str, number: int) -> Response:
        return Response(shapes.AlgorithmVersion(algorithm_version_for(request.user, project, algorithm, number)).data)


class SourceFileView(View):
    @operation(
        "readSourceFile", "One file of a version's bundle, as text", tag=_TAG, gives=shapes.SourceFile,
        parameters=[query("name", "Its name in the bundle.", required=True)],
    )  # fmt: skip
    def get(self, request: Request, project: str, algorithm: str, number: int) -> Response:
        version = algorithm_version_for(request.user, project, algorithm, number)
        name = text_parameter(request, "name")
        if not name:
            raise Invalid([Fault("name", "is missing; name a file of the bundle", "required")])
        data = bundles.read_file(version.bundle, name, _SHOWN_TEXT + 1) if version.bundle else None
        if data is None:
            raise NotVisible(f"Version {number} of {algorithm!r} has no file {name!r}.")
        text = data[:_SHOWN_TEXT].decode(errors="replace")
        return Response({"name": name, "text": text, "truncated": len(data) > _SHOWN_TEXT})


class BundlesView(View):
    @operation(
        "uploadBundle", "Upload code: the body is a .py, .zip or .tar.gz", tag=_TAG, takes=BINARY,
        takes_media="application/octet-stream", gives=shapes.Bundle, status=201,
        parameters=[query("filename", "Its name, such as train.py or code.zip.", required=True)],
    )  # fmt: skip
    def post(self, request: Request, project: str) -> Response:
        stream, announced = body_of(request)
        bundle = actions.add_bundle(
            actor=person(request),
            project=project,
            filename=text_parameter(request, "filename"),
            stream=stream,
            limit=settings.HPT_UPLOAD_LIMIT_BYTES,
            announced=announced,
        )
        return Response(shapes.Bundle(bundle).data, 201)
