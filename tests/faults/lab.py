"""A project with a job in a running service, made and watched over REST as a script would."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from hpt_web.embedded import home, processes
from tests.service import Service, wait_for

PASSWORD = "a long enough Phrase 7"
# Notes every start and end that really happens, in a file that no fault of the service can reach.
SCRIPT = """
import argparse, os, signal, sys, time
p = argparse.ArgumentParser()
p.add_argument("--x", type=float)
p.add_argument("--ledger")
p.add_argument("--lines", type=int)
p.add_argument("--pause", type=float)
p.add_argument("--resume-from")
a = p.parse_args()
def note(word):
    with open(a.ledger, "a") as f:
        f.write(f"{os.environ['HPT_TRIAL_NUMBER']} {os.environ['HPT_ATTEMPT_NUMBER']} {word}\\n")
note("begins")
for i in range(1, a.lines + 1):
    print(f"score={a.x + i}", flush=True)
    time.sleep(0 if os.path.exists(a.ledger + ".hurry") else a.pause)
note("ends")
"""


class Lab:
    """alice's project `lab` in `service`, or that of somebody else whom it does not know yet."""

    def __init__(
        self,
        service: Service,
        folder: Path,
        *,
        owner: str = "alice",
        project: str = "lab",
        password: str = PASSWORD,
    ) -> None:
        self.service = service
        self.password = password
        self.folder = folder
        self.owner = owner
        self.project = project
        self._make_owner()
        self.client = httpx.Client(base_url=f"{service.url}/api/v1", timeout=30)
        token = self._log_in()
        self.client.headers["X-CSRFToken"] = token
        self.post("/projects", {"slug": project, "name": project})
        self.post(f"/projects/{project}/algorithms", {"name": "line"})
        self.post(
            f"/projects/{project}/algorithms/line/versions",
            {
                "source": {"files": {"train.py": SCRIPT}},
                "entry_point": "train.py",
                "hyperparameters": [
                    {"name": "x", "type": "float", "min": 0, "max": 1},
                    {"name": "ledger", "type": "text", "tunable": False},
                    {"name": "lines", "type": "integer", "default": 20, "tunable": False},
                    {"name": "pause", "type": "float", "default": 0.1, "tunable": False},
                ],
                "metrics": [{"name": "score", "regex": "score=(\\S+)"}],
            },
        )

    def _make_owner(self) -> None:
        environment = {**self.service.environment(), "DJANGO_SUPERUSER_PASSWORD": self.password}
        command = [sys.executable, str(home.REPOSITORY / "manage.py"), "createsuperuser", "--noinput"]
        subprocess.run(
            [*command, f"--username={self.owner}", f"--email={self.owner}@example.org"],
            env=environment,
            check=True,
            capture_output=True,
        )

    def _log_in(self) -> str:
        self.client.get("/session")
        self.client.headers["X-CSRFToken"] = self.client.cookies["csrftoken"]
        self.post("/session", {"username": self.owner, "password": self.password})
        return self.client.cookies["csrftoken"]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def delete(self, path: str) -> None:
        answer = self.client.delete(path)
        assert answer.is_success, answer.text

    def get(self, path: str, **query: Any) -> Any:
        """What the service answers; one that is down for a moment is asked again."""

        def ask() -> httpx.Response | None:
            try:
                answer = self.client.get(path, params=query)
            except httpx.TransportError:
                return None
            return answer if answer.is_success else None

        return wait_for(ask, 60, f"GET {path}").json()

    def create_job(self, name: str, *, trials: int, parallel: int, **static: Any) -> None:
        self.post(
            f"/projects/{self.project}/jobs",
            {
                "name": name,
                "algorithm": {"name": "line"},
                "objective": {"metric": "score", "goal": "maximize"},
                "space": [{"name": "x", "type": "float", "min": 0, "max": 1}],
                "static": {"ledger": str(self.folder / name), **static},
                "strategy": {"name": "random"},
                "limits": {"max_trials": trials, "max_parallel": parallel},
                "seed": 1,
            },
        )

    def job(self, name: str) -> Any:
        return self.get(f"/projects/{self.project}/jobs/{name}")

    def trials(self, name: str) -> list[Any]:
        return list(self.get(f"/projects/{self.project}/jobs/{name}/trials", limit=200)["items"])

    def events(self, name: str) -> list[Any]:
        """The whole feed, page by page."""
        events: list[Any] = []
        while True:
            page = self.get(f"/projects/{self.project}/jobs/{name}/events", since=len(events), limit=200)["events"]
            events += page
            if not page:
                return events

    def wait_for_state(self, name: str, states: set[str], seconds: float = 180) -> Any:
        def reached() -> Any:
            job = self.job(name)
            return job if job["state"] in states else None

        return wait_for(reached, seconds, f"job {name} is {states}")

    def noted(self, name: str, word: str) -> list[tuple[int, int]]:
        """The (trial, attempt) pairs of a job that really began, or really came to their end."""
        lines = [line.split() for line in (self.folder / name).read_text().splitlines()]
        return sorted((int(trial), int(attempt)) for trial, attempt, what in lines if what == word)


def trial_processes(service: Service, job: int = 0) -> list[int]:
    """Everything that runs for a trial of this installation, or of one of its jobs (its number in the database): marked
    as an attempt of it, or working in its folder."""
    trials = service.home / "trials"
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            token = _attempt_of(entry, trials)
            own = token.removeprefix("c").startswith(f"{job}-") if job else bool(token)
            if own and processes.alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def _attempt_of(process: Path, trials: Path) -> str:
    """The attempt in that folder for which a process runs; empty if there is none."""
    try:
        environment = (process / "environ").read_bytes()
        folder = (process / "cwd").readlink()
    except OSError:
        return ""
    if folder.is_relative_to(trials):
        return folder.relative_to(trials).parts[0] if folder != trials else "?"
    marks = [variable for variable in environment.split(b"\0") if variable.startswith(b"HPT_ATTEMPT=")]
    return marks[0].partition(b"=")[2].decode() if marks and str(trials).encode() in environment else ""
