"""What a form can offer: strategies, policies, profiles, and the schema of a space."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from hpt_web.jobs.models import TuningJob
from tests.factories import job_document
from tests.tuning.plugin_kit import EXAMPLE, install, installed, write
from tests.web.api.kit import Api
from tuning.profiles import PROFILES


def test_strategies_say_whether_they_schedule(alice: Api) -> None:
    """C18: beside one that does, no policy can be chosen."""
    schedules = {found["name"]: found["schedules"] for found in alice.get("strategies").json["items"]}
    assert schedules["hyperband"] is True
    assert schedules["random"] is False
    assert not any(found["schedules"] for found in alice.get("policies").json["items"])


def test_packages_are_told_of_with_what_is_wrong_with_them(alice: Api, charlie: Api, tmp_path: Path) -> None:
    """To whoever may choose one: nothing in it is a secret of this installation."""
    write(
        tmp_path, "hpt-broken", "2.0", {"broken_one.py": "INFO = 3"},
        {"hpt.strategies": {"mine": "broken_one"}, "hpt.policies": {"median": "broken_one"}},
    )  # fmt: skip
    with installed(install(EXAMPLE, tmp_path)):
        for person in (alice, charlie):
            found = person.get("strategies").json
            packages = {one["name"]: one["package"] for one in found["items"]}
            assert packages.pop("hill-climbing") == "hpt-hill-climbing 0.3.1"
            assert packages["auto"] is None and set(packages.values()) == {None}
            assert found["broken"] == [
                {
                    "name": "mine",
                    "package": "hpt-broken 2.0",
                    "reason": "broken_one has no INFO of tuning.registry.Info",
                }
            ]
            found = person.get("policies").json
            assert found["items"][-1]["package"] == "hpt-hill-climbing 0.3.1"
            assert [(one["name"], one["package"]) for one in found["broken"]] == [("median", "hpt-broken 2.0")]
            assert "taken by HPT itself" in found["broken"][0]["reason"]
    assert alice.get("strategies").json["broken"] == alice.get("policies").json["broken"] == []


def test_profiles_are_listed_with_their_rules(vera: Api) -> None:
    profiles = {found["name"]: found for found in vera.get("profiles").json["items"]}
    assert list(profiles) == list(PROFILES)
    drive = profiles["hyperdrive"]
    assert drive["searches_with"]["grid"] == ["choice"]  # F46
    assert drive["no_policy_with"] == ["bayesian"]
    assert (drive["max_trials"], drive["max_parallel"]) == (1000, 100)  # F75, F76
    assert profiles["modelarts"]["options"]["bayesian"] == {"kind": "ucb", "kappa": 2.5, "xi": 0.0}  # F48
    assert profiles["sagemaker"]["max_trials_with"] == {"random": 10_000}


@pytest.mark.parametrize("address", ["strategies", "policies", "profiles", "space-schema"])
def test_a_stranger_is_not_told(nobody: Api, address: str) -> None:
    assert nobody.get(address).status == 401


@pytest.mark.parametrize(
    ("parameter", "good"),
    [
        ({"name": "lr", "type": "float", "min": 0.001, "max": 0.1, "scale": "log"}, True),
        ({"name": "lr", "type": "loguniform", "low": -6, "high": -3}, True),
        ({"name": "lr", "type": "normal", "mu": 0.1, "sigma": 0.01}, True),
        ({"name": "lr", "type": "float", "min": 0.001}, False),
        ({"name": "lr", "type": "float", "low": 0.001, "max": 0.1}, False),
    ],
)
def test_the_spaces_schema_says_what_the_service_takes(alice: Api, parameter: dict[str, object], good: bool) -> None:
    schema = alice.get("space-schema").json
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid([parameter]) is good
    checked = alice.post("projects/lab/job-checks", job_document(name="second", space=[parameter]))
    assert good is not any(fault["field"].startswith("space") for fault in checked.json["faults"])
    assert TuningJob.objects.count() == 1
