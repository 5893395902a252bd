"""Datasets and their versions."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.api.pagination import page, text_parameter
from hpt_web.api.schema import BINARY, CURSOR, LIMIT, operation, page_of, query
from hpt_web.api.serializers import catalog as shapes
from hpt_web.api.uploads import FileAnswer, body_of
from hpt_web.api.views.base import View, optional_text, person, reading
from hpt_web.catalog import actions, storage
from hpt_web.catalog.models import Dataset
from hpt_web.catalog.preview import preview
from hpt_web.catalog.queries import dataset_for, dataset_version_for, datasets_in

_TAG = "datasets"
_SEARCH = query("q", "Only those with this text in their name.")


def _presented(datasets: Sequence[Dataset]) -> list[object]:
    return list(shapes.Dataset(datasets, many=True).data)


class DatasetsView(View):
    @operation(
        "listDatasets", "The datasets of a project", tag=_TAG, gives=page_of(shapes.Dataset),
        parameters=[_SEARCH, LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str) -> Response:
        datasets = datasets_in(request.user, project).filter(name__icontains=text_parameter(request, "q"))
        return page(request, datasets, ["name"], _presented)

    @operation(
        "createDataset", "Make a dataset, empty as yet", tag=_TAG, takes=shapes.CatalogRequest, gives=shapes.Dataset,
        status=201,
    )  # fmt: skip
    def post(self, request: Request, project: str) -> Response:
        with reading(request) as document:
            dataset = actions.create_dataset(
                actor=person(request),
                project=project,
                name=document.text("name"),
                description=document.text("description", default="", longest=10_000),
            )
        return Response(_presented([dataset_for(request.user, project, dataset.name)])[0], 201)


class DatasetView(View):
    @operation("getDataset", "A dataset", tag=_TAG, gives=shapes.Dataset)
    def get(self, request: Request, project: str, dataset: str) -> Response:
        return Response(_presented([dataset_for(request.user, project, dataset)])[0])

    @operation("updateDataset", "Change a dataset", tag=_TAG, takes=shapes.CatalogChange, gives=shapes.Dataset)
    def patch(self, request: Request, project: str, dataset: str) -> Response:
        with reading(request) as document:
            row = actions.update_dataset(
                actor=person(request),
                project=project,
                dataset=dataset,
                name=optional_text(document, "name"),
                description=optional_text(document, "description"),
            )
        return Response(_presented([row])[0])

    @operation("deleteDataset", "Delete a dataset that no job has used", tag=_TAG, status=204)
    def delete(self, request: Request, project: str, dataset: str) -> Response:
        actions.delete_dataset(actor=person(request), project=project, dataset=dataset)
        return Response(status=204)


class DatasetVersionsView(View):
    @operation(
        "listDatasetVersions", "The versions of a dataset, newest first", tag=_TAG,
        gives=page_of(shapes.DatasetVersion), parameters=[LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str, dataset: str) -> Response:
        versions = dataset_for(request.user, project, dataset).versions.select_related("created_by")
        return page(request, versions, ["-number"], lambda rows: shapes.DatasetVersion(rows, many=True).data)

    @operation(
        "uploadDatasetVersion", "Add a version: the body is the file itself", tag=_TAG, takes=BINARY,
        takes_media="application/octet-stream", gives=shapes.DatasetVersion, status=201,
        parameters=[query("filename", "What a trial sees the file as, such as train.csv.", required=True)],
    )  # fmt: skip
    def post(self, request: Request, project: str, dataset: str) -> Response:
        stream, announced = body_of(request)
        version = actions.add_dataset_version(
            actor=person(request),
            project=project,
            dataset=dataset,
            filename=text_parameter(request, "filename"),
            stream=stream,
            limit=settings.HPT_UPLOAD_LIMIT_BYTES,
            announced=announced,
        )
        return Response(shapes.DatasetVersion(version).data, 201)


class DatasetVersionView(View):
    @operation("getDatasetVersion", "A version of a dataset", tag=_TAG, gives=shapes.DatasetVersion)
    def get(self, request: Request, project: str, dataset: str, number: int) -> Response:
        return Response(shapes.DatasetVersion(dataset_version_for(request.user, project, dataset, number)).data)


class DatasetContentView(View):
    @operation(
        "downloadDatasetVersion",
        "The file itself",
        tag=_TAG,
        gives=BINARY,
        gives_media="application/octet-stream",
    )
    def get(self, request: Request, project: str, dataset: str, number: int) -> FileAnswer:
        version = dataset_version_for(request.user, project, dataset, number)
        file = storage.open_blob(version.digest)
        return FileAnswer(file, filename=version.filename, size=version.size, digest=version.digest)


class DatasetPreviewView(View):
    @operation("previewDatasetVersion", "The beginning of the file", tag=_TAG, gives=shapes.Preview)
    def get(self, request: Request, project: str, dataset: str, number: int) -> Response:
        return Response(preview(dataset_version_for(request.user, project, dataset, number)))
