"""Jobs whose image is on its way, and attempts that could not be started."""

from django.db import migrations, models

ATTEMPT = ["exited", "stopped", "paused", "preempted", "lost", "suspended", "not_started"]
USAGE = ["completed", "early_stopped", "stopped", "failed", "lost", "paused", "suspended", "preempted", "not_started"]


def outcomes(names: list[str]) -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ").title()) for name in names]


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_waits")]

    operations = [
        migrations.AddField("tuningjob", "lacks_image", models.BooleanField(db_default=False)),
        migrations.AlterField(
            "attempt", "outcome", models.CharField(blank=True, choices=outcomes(ATTEMPT), default="", max_length=16)
        ),
        migrations.AlterField("usageentry", "outcome", models.CharField(choices=outcomes(USAGE), max_length=16)),
    ]
