"""Cases generated from the OpenAPI document, against the whole program: never a 500, always documented."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mtfleet.testing.server import RunningServer, running_server

pytestmark = pytest.mark.e2e

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
LEFT_OUT = {"POST /admin/vault/rotate"}
"""Rotations only take time here; security's tests prove them."""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def test_every_answer_is_documented(server: RunningServer) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/swagger/openapi.json")
    existing = _things(server)
    failures: list[str] = []
    count = 0
    operations: list[Any] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operations.append(found.ok())
    for operation in sorted(operations, key=lambda one: bool(one.method == "delete")):
        if operation.label in LEFT_OUT:
            continue
        count += 1
        try:
            for mode in GenerationMode:
                _try(operation.as_strategy(generation_mode=mode), server, {})
                _try(operation.as_strategy(generation_mode=mode), server, existing)
        except Exception as failure:  # all routes are tried before the test fails
            failures.append(f"{operation.label}: {failure}")
    assert count > 50
    assert not failures, "\n\n".join(failures)


def _things(server: RunningServer) -> dict[str, str]:
    """Make what the parameters of addresses can name; deleting it is part of the test."""
    headers = {"auth-token": server.token}
    account = {"name": "A", "server": "Sandbox-MT4", "platform": "mt4", "type": "cloud-g1", "magic": 0}
    profile = {"name": "P", "version": 5, "brokerTimezone": "EET", "brokerDSTSwitchTimezone": "EET"}
    with httpx2.Client(base_url=f"{server.url}/users/current", headers=headers) as client:
        return {
            "account_id": client.post("/accounts", json=account).json()["id"],
            "profile_id": client.post("/provisioning-profiles", json=profile).json()["id"],
            "expert_id": "ea",
            "region": "vint-hill",
            "version": "5",
            "file_name": "servers.dat",
        }


def _try(cases: Any, server: RunningServer, existing: dict[str, str]) -> None:
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def answers_as_documented(case: Any) -> None:
        case.path_parameters.update({k: v for k, v in existing.items() if k in case.path_parameters})
        answer = case.call(headers={"auth-token": server.token}, timeout=60)
        case.validate_response(answer, checks=CHECKS)
        assert answer.headers["request-id"]
        if answer.status_code >= 400 and case.path != "/readyz":
            body = answer.json()
            assert (
                {"id", "error", "message"} <= set(body) <= {"id", "error", "message", "details", "metadata"}
            )

    answers_as_documented()
