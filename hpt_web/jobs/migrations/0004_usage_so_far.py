"""The ledger of what has run so far, from the rows of the attempts. None of them held a GPU."""

from django.db import migrations

FILL = """
UPDATE jobs_attempt SET pool = '', device_count = 0 WHERE backend = 'external';

INSERT INTO jobs_usageentry (
    attempt_id, attempt_number, trial_number, job_id, job_name, project_id, project_slug, user_id,
    pool, devices, seconds, gpu_seconds, outcome, ended_at
)
SELECT
    a.id, a.number, t.number, j.id, j.name, p.id, p.slug, j.created_by_id, a.pool, a.device_count,
    GREATEST(0, EXTRACT(EPOCH FROM a.ended_at - a.created_at)), 0,
    CASE
        WHEN a.outcome IN ('lost', 'paused', 'suspended', 'preempted') THEN a.outcome
        WHEN a.outcome = 'stopped' AND a.stop_kind = 'policy' THEN 'early_stopped'
        WHEN a.outcome = 'stopped' THEN 'stopped'
        -- Only a trial's last attempt can have completed it; none of those before did.
        WHEN a.number = t.attempt AND t.state IN ('Completed', 'EarlyStopped', 'Stopped')
            THEN CASE t.state WHEN 'Completed' THEN 'completed' WHEN 'Stopped' THEN 'stopped' ELSE 'early_stopped' END
        ELSE 'failed'
    END,
    a.ended_at
FROM jobs_attempt a
JOIN jobs_trial t ON t.id = a.trial_id
JOIN jobs_tuningjob j ON j.id = t.job_id
JOIN accounts_project p ON p.id = j.project_id
WHERE a.ended_at IS NOT NULL
ORDER BY a.ended_at, a.id;
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_usage_ledger")]
    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
