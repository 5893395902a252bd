"""What admission costs with many jobs: the plan, one idle job's step, and both beside many trials that are over.

    python -m tests.with_servers python -m tests.bench.admission_cost [JOBS] [ENDED]

Prints one JSON object. Times are of this process, in milliseconds, the median of several; `queries` are the database's.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import django


def main(jobs: int, ended: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpt_web.settings")
    os.environ.setdefault("HPT_TRIAL_SLOTS", "64")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    row = _fill(jobs)
    found = {"jobs": jobs, "slots": 64, "without": _measured(row), "ended_trials": ended}
    _end_trials(ended)
    found["beside_ended_trials"] = _measured(row)
    print(json.dumps(found, indent=2))


def _fill(jobs: int) -> int:
    """`jobs` jobs of 20 people in 10 projects of 3 teams want trials, and 64 run; the id of one that waits."""
    from hpt_web.accounts.models import PoolShare, Project, Quota, Team, User
    from hpt_web.jobs.models import Attempt, EventCursor, Trial, TuningJob
    from tests import factories

    world = factories.world()
    people = User.objects.bulk_create(User(username=f"person-{n}") for n in range(20))
    teams = Team.objects.bulk_create(Team(name=f"team-{n}") for n in range(3))
    PoolShare.objects.bulk_create(PoolShare(team=team, pool="cpu", guaranteed=8) for team in teams)
    projects = Project.objects.bulk_create(
        Project(slug=f"project-{n}", name="x", created_by=world.alice, team=teams[n % 3]) for n in range(10)
    )
    Quota.objects.bulk_create(Quota(project=project, resource="running_trials", limit=20) for project in projects)
    template = world.job
    made = TuningJob.objects.bulk_create(
        TuningJob(
            project=projects[n % 10], name=f"job-{n}", spec=template.spec, metric="f1", goal="maximize", seed=n,
            algorithm_version=template.algorithm_version, max_trials=10**6, max_parallel=8, state="Running",
            created_by=people[n % 20],
        )
        for n in range(jobs)
    )  # fmt: skip
    EventCursor.objects.bulk_create(EventCursor(job=job) for job in made)
    trials = Trial.objects.bulk_create(
        Trial(job=made[n], number=1, state="Running", attempt=1, hyperparameters={}) for n in range(64)
    )
    Attempt.objects.bulk_create(
        Attempt(trial=trial, number=1, token=f"t{trial.pk}", backend="process") for trial in trials
    )
    return made[-1].pk


def _end_trials(ended: int) -> None:
    """Give the jobs that run, and one that waits, so many trials that are over, with their attempts and usage."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO jobs_trial (job_id, number, state, attempt, promotions, hyperparameters, reason, failure,
                                    ended_at, continues, retried_after, fresh_after, checkpoint_bytes)
            SELECT j.id, 1 + n, 'Completed', 1, 0, '{}', '', '', now(), false, 0, 0, 0
            FROM (SELECT id FROM jobs_tuningjob WHERE ended_at IS NULL ORDER BY id DESC LIMIT 50) j,
                 generate_series(1, %s::int) n
            """,
            [ended // 50],
        )
        cursor.execute(
            """
            INSERT INTO jobs_usageentry (attempt_number, trial_number, job_id, job_name, project_id, project_slug,
                                         user_id, pool, devices, seconds, gpu_seconds, outcome, ended_at)
            SELECT 1, t.number, j.id, j.name, j.project_id, '', j.created_by_id, 'cpu', 1, 10, 0, 'completed', now()
            FROM jobs_trial t JOIN jobs_tuningjob j ON j.id = t.job_id
            WHERE t.state = 'Completed' AND j.ended_at IS NULL
            """
        )
        cursor.execute("ANALYZE")


def _measured(waiting: int) -> dict[str, object]:
    from hpt_web.jobs.running import dispatch
    from hpt_web.jobs.sharing import capacity

    now = capacity.situation()
    return {
        "rows_to_arguments": _timed(capacity.situation),
        "plan": _timed(now.plan),
        "waiting": sum(grant.missing > 0 for grant in now.plan().values()),
        "step_of_an_idle_job_in_company": _timed(lambda: dispatch.advance(waiting), repeats=50),
        "step_of_an_idle_job_alone": _timed(lambda: _alone(waiting)),
    }


def _alone(job: int) -> None:
    from hpt_web.jobs.running import dispatch
    from hpt_web.jobs.sharing import capacity

    capacity._shared = None
    dispatch.advance(job)


def _timed(call: Callable[[], object], repeats: int = 15) -> dict[str, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    call()
    with CaptureQueriesContext(connection) as seen:
        call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - begin))
    return {"ms": round(statistics.median(times), 2), "most_ms": round(max(times), 2), "queries": len(seen)}


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [1000, 100_000][len(numbers) :]))
