"""Whether an attempt began in a container that was kept from an earlier one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_attempt_share")]

    operations = [migrations.AddField("attempt", "kept_container", models.BooleanField(default=False))]
