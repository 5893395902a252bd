"""Which teams come first beyond the guarantees."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_refusals")]

    operations = [migrations.AddField("team", "priority", models.SmallIntegerField(db_default=0))]
