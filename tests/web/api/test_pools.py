"""Pools: what the host has, what is given of it, and pools that are made of some of its GPUs."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from hpt_web.accounts.models import AuditEvent, Pool
from tests.web.api.kit import Api


@pytest.fixture(autouse=True)
def host(settings: Settings) -> None:
    settings.HPT_TRIAL_SLOTS = 4
    settings.HPT_GPUS = "0:80GB,1:80GB"


def test_pools_are_declared_changed_and_withdrawn(root: Api, alice: Api, settings: Settings) -> None:
    assert [(pool["name"], pool["devices"], pool["present"], pool["declared"]) for pool in alice.get("pools").json] == [
        ("cpu", 4, 4, False), ("gpu-80gb", 2, 2, False),
    ]  # fmt: skip
    settings.HPT_GPUS = "0:80GB,1:80GB,2:80GB,3:80GB"
    made = root.post("pools", {"name": "h100", "devices": 1, "device_type": "H100", "memory_bytes": 8 * 10**10})
    assert (made.status, made.json["present"], made.json["declared"], made.json["made"]) == (201, 1, True, True)
    assert root.patch("pools/h100", {"devices": 2}).json["gpus"] == ["0", "1"]
    assert [pool["gpus"] for pool in root.get("pools").json] == [[], ["2", "3"], ["0", "1"]]
    terms = root.patch("pools/h100", {"price": 2.5, "min_run_seconds": 600}).json
    assert (terms["devices"], terms["price"], terms["min_run_seconds"]) == (2, 2.5, 600)
    terms = root.patch("pools/h100", {"price": None}).json
    assert (terms["price"], terms["min_run_seconds"]) == (None, 600)
    assert root.patch("pools/gpu-80gb", {"devices": 1}).json["devices"] == 1
    assert root.patch("pools/gpu-80gb", {"devices": 9}).json["devices"] == 2  # not more than are there
    assert root.delete("pools/gpu-80gb").status == 204
    assert root.delete("pools/cpu").status == 409
    assert root.post("pools", {"name": "h100", "devices": 1}).fields["name"].startswith("is 'h100', which is declared")
    settings.HPT_GPUS = "1:80GB"  # the host has lost some
    shrunk = root.get("pools").json[2]
    assert (shrunk["devices"], shrunk["gpus"], shrunk["lacking"]) == (1, ["1"], 1)
    assert root.delete("pools/h100").status == 204
    assert root.patch("pools/h100", {"devices": 6}).status == 404
    assert not Pool.objects.exists()
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))[-6:]
    assert actions == ["pool.change"] * 4 + ["pool.withdraw"] * 2


@pytest.mark.parametrize(
    ("gpus", "body", "says"),
    [
        ("", {"devices": 8}, "is 8; this host has 0 GPUs that no other such pool has: have the host's GPUs listed in"),
        (
            "0:80GB,1:24GB",
            {"devices": 2, "memory_bytes": 5 * 10**10},
            "has 1 GPU of that type and memory that no other",
        ),
        ("0:80GB,1:80GB,2:80GB", {"devices": 2}, "this host has 1 GPU that no other such pool has: give at most 1, or"),
    ],
)
def test_a_pool_of_gpus_that_the_host_does_not_have_is_refused(
    root: Api, settings: Settings, gpus: str, body: dict[str, int], says: str
) -> None:
    settings.HPT_GPUS = "0:80GB,1:80GB"
    assert root.post("pools", {"name": "first", "devices": 2}).status == 201
    settings.HPT_GPUS = gpus
    if not gpus or "24GB" in gpus:
        assert root.delete("pools/first").status == 204
    answer = root.post("pools", {"name": "apart", **body})
    assert answer.status == 400 and says in answer.fields["devices"], answer.json
    assert not Pool.objects.filter(name="apart").exists()


def test_a_price_does_not_say_how_many_devices_there_are(root: Api, settings: Settings) -> None:
    assert root.patch("pools/gpu-80gb", {"price": 3}).json["declared"] is False
    assert root.delete("pools/gpu-80gb").status == 409
    settings.HPT_GPUS = "0:80GB,1:80GB,2:80GB"
    assert [(pool["devices"], pool["price"]) for pool in root.get("pools").json][1] == (3, 3.0)
    assert root.post("pools", {"name": "gpu-80gb", "devices": 1}).json["declared"] is True


def test_a_pool_that_is_shared_out_stays(root: Api) -> None:
    root.post("teams", {"name": "vision"})
    root.post("pools", {"name": "h100", "devices": 2})
    root.post("teams/vision/shares", {"pool": "h100"})
    assert root.delete("pools/h100").json["detail"] == (
        "Pool 'h100' is shared by vision; take their shares away first."
    )  # fmt: skip
