"""What attempts hold, and the ledger of what was held."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_teams_and_pools"),
        ("jobs", "0002_pausing_and_external_runs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("attempt", "pool", models.CharField(blank=True, default="cpu", max_length=63)),
        migrations.AddField("attempt", "device_count", models.PositiveSmallIntegerField(default=1)),
        migrations.AddField("attempt", "devices", models.JSONField(default=list)),
        migrations.CreateModel(
            name="UsageEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempt_number", models.PositiveSmallIntegerField()),
                ("trial_number", models.PositiveIntegerField()),
                ("job_name", models.CharField(max_length=63)),
                ("project_slug", models.CharField(max_length=63)),
                ("pool", models.CharField(blank=True, max_length=63)),
                ("devices", models.PositiveSmallIntegerField()),
                ("seconds", models.FloatField()),
                ("gpu_seconds", models.FloatField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("completed", "Completed"),
                            ("early_stopped", "Early Stopped"),
                            ("stopped", "Stopped"),
                            ("failed", "Failed"),
                            ("lost", "Lost"),
                            ("paused", "Paused"),
                            ("suspended", "Suspended"),
                            ("preempted", "Preempted"),
                        ],
                        max_length=16,
                    ),
                ),
                ("ended_at", models.DateTimeField()),
                (
                    "attempt",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="usage", to="jobs.attempt"
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="usage",
                        to="jobs.tuningjob",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="usage",
                        to="accounts.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "ended_at"], name="usage_of_project"),
                    models.Index(fields=["ended_at"], name="usage_newest"),
                    models.Index(fields=["job", "id"], name="usage_of_job"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("gpu_seconds__gte", 0), ("seconds__gte", 0)), name="usage_positive"
                    )
                ],
            },
        ),
    ]
