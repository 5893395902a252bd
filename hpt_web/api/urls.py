"""Addresses of the REST door, all under /api/v1."""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from hpt_web.api.permissions import Anyone
from hpt_web.api.views import (
    algorithms,
    analysis,
    catalogue,
    datasets,
    external,
    figures,
    host,
    jobs,
    metrics,
    projects,
    quotas,
    session,
    trials,
    usage,
)


class NameConverter(StringConverter):
    """A name in an address; whatever could not be one is not found, before any database is asked."""

    regex = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"


class UsernameConverter(StringConverter):
    regex = r"[\w.@+-]{1,150}"


register_converter(NameConverter, "name")
register_converter(UsernameConverter, "username")

_DATASET = "projects/<name:project>/datasets/<name:dataset>"
_ALGORITHM = "projects/<name:project>/algorithms/<name:algorithm>"
_JOB = "projects/<name:project>/jobs/<name:job>"
_TRIAL = f"{_JOB}/trials/<int:number>"

urlpatterns = [
    path("health", catalogue.HealthView.as_view()),
    path("session", session.SessionView.as_view()),
    path("session/password", session.PasswordView.as_view()),
    path("access-keys", session.AccessKeysView.as_view()),
    path("access-keys/<name:key>", session.AccessKeyView.as_view()),
    path("strategies", catalogue.StrategiesView.as_view()),
    path("policies", catalogue.PoliciesView.as_view()),
    path("profiles", catalogue.ProfilesView.as_view()),
    path("space-schema", catalogue.SpaceSchemaView.as_view()),
    path("host", host.HostView.as_view()),
    path("queue", quotas.QueueView.as_view()),
    path("pools", quotas.PoolsView.as_view()),
    path("pools/<name:pool>", quotas.PoolView.as_view()),
    path("teams", quotas.TeamsView.as_view()),
    path("teams/<name:team>", quotas.TeamView.as_view()),
    path("teams/<name:team>/shares", quotas.SharesView.as_view()),
    path("teams/<name:team>/shares/<name:pool>", quotas.ShareView.as_view()),
    path("quotas", quotas.QuotasView.as_view()),
    path("quotas/<int:number>", quotas.QuotaView.as_view()),
    path("usage", usage.UsageView.as_view()),
    path("usage/entries", usage.UsageEntriesView.as_view()),
    path("usage/file", usage.UsageFileView.as_view()),
    path("usage/refusals", usage.RefusalsView.as_view()),
    path("projects", projects.ProjectsView.as_view()),
    path("projects/<name:project>", projects.ProjectView.as_view()),
    path("projects/<name:project>/members", projects.MembersView.as_view()),
    path("projects/<name:project>/members/<username:username>", projects.MemberView.as_view()),
    path("projects/<name:project>/datasets", datasets.DatasetsView.as_view()),
    path(_DATASET, datasets.DatasetView.as_view()),
    path(f"{_DATASET}/versions", datasets.DatasetVersionsView.as_view()),
    path(f"{_DATASET}/versions/<int:number>", datasets.DatasetVersionView.as_view()),
    path(f"{_DATASET}/versions/<int:number>/content", datasets.DatasetContentView.as_view()),
    path(f"{_DATASET}/versions/<int:number>/preview", datasets.DatasetPreviewView.as_view()),
    path("projects/<name:project>/bundles", algorithms.BundlesView.as_view()),
    path("projects/<name:project>/algorithms", algorithms.AlgorithmsView.as_view()),
    path(_ALGORITHM, algorithms.AlgorithmView.as_view()),
    path(f"{_ALGORITHM}/versions", algorithms.AlgorithmVersionsView.as_view()),
    path(f"{_ALGORITHM}/versions/<int:number>", algorithms.AlgorithmVersionView.as_view()),
    path(f"{_ALGORITHM}/versions/<int:number>/file", algorithms.SourceFileView.as_view()),
    path("metrics", metrics.MetricsTextView.as_view()),
    path("storage", jobs.StoragesView.as_view()),
    path("projects/<name:project>/storage", jobs.StorageView.as_view()),
    path("projects/<name:project>/clean-up", jobs.CleanUpView.as_view()),
    path("projects/<name:project>/jobs", jobs.JobsView.as_view()),
    path("projects/<name:project>/job-checks", jobs.JobChecksView.as_view()),
    path(_JOB, jobs.JobView.as_view()),
    path(f"{_JOB}/stop", jobs.StopJobView.as_view()),
    path(f"{_JOB}/pause", jobs.PauseJobView.as_view()),
    path(f"{_JOB}/unpause", jobs.UnpauseJobView.as_view()),
    path(f"{_JOB}/resume", jobs.ResumeJobView.as_view()),
    path(f"{_JOB}/retry", jobs.RetryFailedView.as_view()),
    path(f"{_JOB}/ask", external.AskView.as_view()),
    path(f"{_JOB}/analysis/importance", analysis.ImportanceView.as_view()),
    path(f"{_JOB}/analysis/narrowing", analysis.NarrowingView.as_view()),
    path(f"{_JOB}/analysis/marginal-gain", analysis.MarginalGainView.as_view()),
    path(f"{_JOB}/analysis/replay", analysis.ReplayView.as_view()),
    path(f"{_JOB}/snapshot", jobs.SnapshotView.as_view()),
    path(f"{_JOB}/events", jobs.EventsView.as_view()),
    path(f"{_JOB}/decisions", jobs.JobDecisionsView.as_view()),
    path(f"{_JOB}/trials", trials.TrialsView.as_view()),
    path(_TRIAL, trials.TrialView.as_view()),
    path(f"{_TRIAL}/stop", trials.StopTrialView.as_view()),
    path(f"{_TRIAL}/retry", trials.RetryTrialView.as_view()),
    path(f"{_TRIAL}/rerun", trials.RerunTrialView.as_view()),
    path(f"{_TRIAL}/clone", trials.CloneTrialView.as_view()),
    path(f"{_TRIAL}/preempt", trials.PreemptTrialView.as_view()),
    path(f"{_TRIAL}/artifacts", trials.ArtifactsView.as_view()),
    path(f"{_TRIAL}/artifacts/file", trials.ArtifactFileView.as_view()),
    path(f"{_TRIAL}/artifacts/<str:archive>.tar.gz", trials.ArchiveView.as_view()),
    path(f"{_TRIAL}/report", external.ReportView.as_view()),
    path(f"{_TRIAL}/tell", external.TellView.as_view()),
    path(f"{_TRIAL}/metrics", trials.MetricsView.as_view()),
    path(f"{_TRIAL}/usage", trials.TrialUsageView.as_view()),
    path(f"{_TRIAL}/logs", trials.LogsView.as_view()),
    path(f"{_TRIAL}/decisions", trials.TrialDecisionsView.as_view()),
    path("projects/<name:project>/usage", usage.ProjectUsageView.as_view()),
    path("projects/<name:project>/usage/entries", usage.ProjectUsageEntriesView.as_view()),
    path("projects/<name:project>/usage/file", usage.ProjectUsageFileView.as_view()),
    path("projects/<name:project>/figures/<name:figure>", figures.FigureView.as_view()),
    path(
        "schema",
        SpectacularJSONAPIView.as_view(permission_classes=[Anyone], authentication_classes=[]),
        name="schema",
    ),
    path(
        "docs",
        SpectacularSwaggerView.as_view(url_name="schema", permission_classes=[Anyone], authentication_classes=[]),
    ),
    re_path(r"", catalogue.NowhereView.as_view()),
]
