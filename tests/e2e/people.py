"""Three people at one service (alice owns projects, bob is a member, charlie an outsider), and REST as each of them.

dora is there to change her password, and root is an administrator.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx

from hpt_web.embedded import home
from tests.service import Service, wait_for

PASSWORD = "a long enough Phrase 7"
_MAKE = f"""
import django
django.setup()
from hpt_web.accounts.actions import create_user
for name in ("alice", "bob", "charlie", "dora"):
    create_user(actor=None, username=name, password={PASSWORD!r}, email=name + "@example.org")
create_user(actor=None, username="root", password={PASSWORD!r}, is_superuser=True)
"""

# Five epochs with three metrics each, on stdout, as a training script prints them.
SCRIPT = """\
import argparse
import time

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--criterion", default="gini")
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--pause", type=float, default=0.0)
options = parser.parse_args()
for epoch in range(1, options.epochs + 1):
    score = options.depth / 20 * (1 - 0.5 ** epoch)
    print(f"epoch {epoch} pre: {score:.4f} rec: {score:.4f} f1: {score:.4f}", flush=True)
    time.sleep(options.pause)
"""

METRICS = [{"name": name, "regex": rf"{text}:\s+(-?[0-9.]+)"} for name, text in
           (("precision", "pre"), ("recall", "rec"), ("f1", "f1"))]  # fmt: skip
HYPERPARAMETERS = [
    {"name": "depth", "type": "integer", "min": 1, "max": 20, "default": 5, "description": "Of each tree."},
    {"name": "rate", "type": "float", "min": 0.0001, "max": 1, "default": 0.1},
    {"name": "criterion", "type": "categorical", "values": ["gini", "entropy"], "default": "gini"},
    {"name": "epochs", "type": "integer", "default": 5, "tunable": False},
    {"name": "pause", "type": "float", "default": 0, "tunable": False},
]
CSV = "label,x,y\n" + "".join(f"{row % 10},{row},{row * row}\n" for row in range(40))


def make_people(service: Service) -> None:
    environment = {**service.environment(), "DJANGO_SETTINGS_MODULE": "hpt_web.settings"}
    subprocess.run([sys.executable, "-c", _MAKE], env=environment, cwd=home.REPOSITORY, check=True)


class Person:
    """Somebody over REST, to prepare what the browser then shows and to compare with what it shows."""

    def __init__(self, service: Service, name: str) -> None:
        self.name = name
        self.client = httpx.Client(base_url=f"{service.url}/api/v1", timeout=30)
        self.client.get("/session")
        self._take_token()
        self.post("/session", {"username": name, "password": PASSWORD})
        self._take_token()

    def _take_token(self) -> None:
        self.client.headers["X-CSRFToken"] = self.client.cookies["csrftoken"]

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.is_success, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.is_success, f"POST {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def make_project(self, slug: str, *, bob: str | None = "viewer") -> None:
        """A project with a dataset and an algorithm, ready to be tuned."""
        self.post("/projects", {"slug": slug, "name": slug.title(), "description": f"What {slug} is for."})
        if bob:
            self.post(f"/projects/{slug}/members", {"username": "bob", "role": bob})
        self.post(f"/projects/{slug}/datasets", {"name": "rows", "description": "Forty rows."})
        uploaded = self.client.post(
            f"/projects/{slug}/datasets/rows/versions?filename=rows.csv",
            content=CSV.encode(),
            headers={"Content-Type": "application/octet-stream"},
        )
        assert uploaded.is_success, uploaded.text
        self.post(f"/projects/{slug}/algorithms", {"name": "forest", "description": "Prints three metrics."})
        self.post(
            f"/projects/{slug}/algorithms/forest/versions",
            {
                "source": {"files": {"train.py": SCRIPT}},
                "entry_point": "train.py",
                "hyperparameters": HYPERPARAMETERS,
                "metrics": METRICS,
                "objectives": [{"metric": "f1", "goal": "maximize"}],
                "channels": [{"name": "train", "required": True, "description": "CSV"}],
            },
        )

    def make_job(self, project: str, name: str, *, trials: int = 6, parallel: int = 2, **more: Any) -> None:
        """A random search over depth, rate and criterion; `static` and the rest of the document may be given."""
        static = more.pop("static", {"epochs": 5, "pause": 0})
        limits = {"max_trials": trials, "max_parallel": parallel, "trial_seconds": 600}
        document = {
            "name": name,
            "algorithm": {"name": "forest"},
            "channels": {"train": {"dataset": "rows"}},
            "objective": {"metric": "f1", "goal": "maximize"},
            "space": [
                {"name": "depth", "type": "integer", "min": 1, "max": 20},
                {"name": "rate", "type": "float", "min": 0.0001, "max": 1, "scale": "log"},
                {"name": "criterion", "type": "categorical", "values": ["gini", "entropy"]},
            ],
            "static": static,
            "strategy": {"name": "random"},
            "limits": limits,
            "seed": 1,
        }
        self.post(f"/projects/{project}/jobs", {**document, **more})

    def job(self, project: str, name: str) -> Any:
        return self.get(f"/projects/{project}/jobs/{name}")

    def wait_for_job(self, project: str, name: str, states: tuple[str, ...] = ("Completed",)) -> Any:
        def reached() -> Any:
            try:
                job = self.job(project, name)
            except httpx.TransportError:  # the web server was killed on purpose, and is on its way back
                return None
            return job if job["state"] in states else None

        return wait_for(reached, 120, f"job {name} is {' or '.join(states)}")
