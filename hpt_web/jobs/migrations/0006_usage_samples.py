import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_reruns_and_pauses")]

    operations = [
        migrations.CreateModel(
            name="UsageSample",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "attempt_id", "n", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("n", models.IntegerField()),
                ("at", models.DateTimeField()),
                ("cpus", models.FloatField()),
                ("memory_bytes", models.BigIntegerField()),
                ("gpu_busy", models.FloatField(null=True)),
                ("gpu_memory_bytes", models.BigIntegerField(null=True)),
                (
                    "attempt",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="samples",
                        to="jobs.attempt",
                    ),
                ),
            ],
        ),
    ]
