"""Fewer indexes: none for a foreign key with which another one begins, and none that a renewed lease moves in."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0016_ledger_teams"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="attempt",
            name="attempt_live",
        ),
        migrations.AlterField(
            model_name="attempt",
            name="token",
            field=models.CharField(max_length=64),
        ),
        # Django drops each index of this one column with the foreign key's, that of the constraint too.
        migrations.RemoveConstraint(model_name="attempt", name="one_live_attempt_per_trial"),
        migrations.AlterField(
            model_name="attempt",
            name="trial",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="jobs.trial"
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)), fields=("trial",), name="one_live_attempt_per_trial"
            ),
        ),
        migrations.AlterField(
            model_name="decision",
            name="job",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="decisions",
                to="jobs.tuningjob",
            ),
        ),
        migrations.AlterField(
            model_name="trial",
            name="job",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="trials", to="jobs.tuningjob"
            ),
        ),
        migrations.AlterField(
            model_name="trial",
            name="origin",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="copies",
                to="jobs.trial",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(condition=models.Q(("ended_at__isnull", True)), fields=["id"], name="attempt_live"),
        ),
        migrations.AddIndex(
            model_name="trial",
            index=models.Index(condition=models.Q(("origin__isnull", False)), fields=["origin"], name="trial_copies"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("token",), name="attempt_token_unique"),
        ),
    ]
