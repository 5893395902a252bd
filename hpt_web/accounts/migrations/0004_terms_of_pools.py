"""What teams lend of their shares; of pools for how long spot trials are left alone, and what a device costs."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_teams_and_pools")]

    operations = [
        migrations.AlterField("pool", "devices", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddField("pool", "min_run_seconds", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddField("pool", "price", models.FloatField(blank=True, null=True)),
        migrations.AddField("poolshare", "lends", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddConstraint(
            "pool",
            models.CheckConstraint(condition=Q(price__isnull=True) | Q(price__gte=0), name="pool_price_not_negative"),
        ),
    ]
