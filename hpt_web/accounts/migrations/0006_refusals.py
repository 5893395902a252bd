"""What limits refused, day by day."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_team_policies")]

    operations = [
        migrations.CreateModel(
            name="Refusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("project_slug", models.CharField(max_length=63)),
                ("resource", models.CharField(max_length=32)),
                ("whose", models.CharField(max_length=300)),
                ("limit", models.BigIntegerField()),
                ("count", models.PositiveIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["day", "project_slug", "user", "resource", "whose", "limit"],
                        name="refusal_once_a_day",
                    )
                ],
            },
        ),
    ]
