"""A past for a job that runs: so many more trials that are over, written straight into its tables."""

from __future__ import annotations

import psycopg

# Each row is a copy of one of a trial that has ended, whatever columns there are, but for what tells it apart. Their
# folders count as cleared (`kept_bytes`), as those of a past are: else that would be done while others are measured.
_TEMPLATE = """
    CREATE TEMP TABLE template ON COMMIT DROP AS
    SELECT t.id AS trial, a.id AS attempt, (SELECT max(number) FROM jobs_trial WHERE job_id = j.id) AS number,
           (SELECT last_value + 1000 FROM jobs_trial_id_seq) AS trials,
           (SELECT last_value + 1000 FROM jobs_attempt_id_seq) AS attempts
    FROM jobs_tuningjob j JOIN jobs_trial t ON t.job_id = j.id JOIN jobs_attempt a ON a.trial_id = t.id
    WHERE j.name = %s AND t.state = 'Completed' ORDER BY t.id LIMIT 1
"""
_COPIES = (
    """
    INSERT INTO jobs_trial SELECT (jsonb_populate_record(t, jsonb_build_object(
        'id', m.trials + n, 'number', m.number + n, 'objective', t.objective - random(), 'hyperparameters',
        (SELECT jsonb_object_agg(key, random()) FROM jsonb_object_keys(t.hyperparameters) AS key WHERE n > 0)
    ))).* FROM template m JOIN jobs_trial t ON t.id = m.trial, generate_series(1, %(count)s) n
    """,
    """
    INSERT INTO jobs_attempt SELECT (jsonb_populate_record(a, jsonb_build_object(
        'id', m.attempts + n, 'trial_id', m.trials + n, 'token', 'past-' || a.token || '-' || n, 'kept_bytes', 0
    ))).* FROM template m JOIN jobs_attempt a ON a.id = m.attempt, generate_series(1, %(count)s) n
    """,
    """
    INSERT INTO jobs_metricpoint (attempt_id, metric, step, value, at)
    SELECT m.attempts + n, p.metric, p.step, p.value - random(), p.at
    FROM template m JOIN jobs_metricpoint p ON p.attempt_id = m.attempt, generate_series(1, %(count)s) n
    """,
    """
    INSERT INTO jobs_usageentry SELECT (jsonb_populate_record(u, jsonb_build_object(
        'id', nextval('jobs_usageentry_id_seq'), 'attempt_id', m.attempts + n, 'trial_number', m.number + n
    ))).* FROM template m JOIN jobs_usageentry u ON u.attempt_id = m.attempt, generate_series(1, %(count)s) n
    """,
    "SELECT setval('jobs_trial_id_seq', trials + %(count)s + 1) FROM template",
    "SELECT setval('jobs_attempt_id_seq', attempts + %(count)s + 1) FROM template",
)


def give_past(url: str, job: str, count: int) -> None:
    """Write them while the job runs; one of its trials must have completed."""
    with psycopg.connect(url) as connection:
        # Whoever advances the job waits, so nobody numbers trials meanwhile.
        connection.execute("SELECT 1 FROM jobs_tuningjob WHERE name = %s FOR NO KEY UPDATE", [job])
        connection.execute(_TEMPLATE, [job])
        for statement in _COPIES:
            connection.execute(statement, {"count": count})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")  # as autovacuum would, a minute later
