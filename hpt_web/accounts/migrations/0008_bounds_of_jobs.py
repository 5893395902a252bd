"""Limits on what a single job or trial may be."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_team_priority")]

    operations = [
        migrations.AlterField(
            "quota",
            "resource",
            models.CharField(
                choices=[
                    ("running_trials", "Running Trials"),
                    ("devices", "Devices"),
                    ("queued_jobs", "Queued Jobs"),
                    ("trials_per_job", "Trials Per Job"),
                    ("parallel_per_job", "Parallel Per Job"),
                    ("seconds_per_trial", "Seconds Per Trial"),
                    ("gpus_per_trial", "Gpus Per Trial"),
                    ("gpu_hours_per_week", "Gpu Hours Per Week"),
                    ("gpu_hours_per_month", "Gpu Hours Per Month"),
                    ("storage_bytes", "Storage Bytes"),
                ],
                max_length=32,
            ),
        )
    ]
