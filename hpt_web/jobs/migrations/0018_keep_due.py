"""When a job's rule for files is to be applied; at once to all jobs that are over, to which it never was since."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0017_fewer_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="tuningjob",
            name="keep_due_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(
            "UPDATE jobs_tuningjob SET keep_due_at = ended_at WHERE ended_at IS NOT NULL", migrations.RunSQL.noop
        ),
        migrations.AddIndex(
            model_name="tuningjob",
            index=models.Index(
                condition=models.Q(("keep_due_at__isnull", False)), fields=["keep_due_at"], name="job_keep_due"
            ),
        ),
    ]
