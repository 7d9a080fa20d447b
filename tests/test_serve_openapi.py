"""The OpenAPI document: what it names is there, and nothing that follows it breaks the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import hypothesis
import pytest
import schemathesis
from schemathesis.checks import load_all_checks, not_a_server_error

from services import serving
from tokenthrift.serve.app import build_app
from tokenthrift.serve.schema import openapi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.serve.running import Service
    from tokenthrift.serve.simulated import SimulatedProvider

schema = schemathesis.openapi.from_dict(openapi())


@pytest.fixture(scope="module")
def service(provider: SimulatedProvider) -> Iterator[Service]:
    """A service whose provider takes whatever key it is shown."""
    with serving(provider, "balanced", "off") as running:
        yield running


def test_the_document_names_every_path(service: Service) -> None:
    """Paths and methods of the app are those of the document."""
    said = httpx2.get(service.root_url + "/openapi.json").json()
    named = {(p, m.upper()) for p, methods in said["paths"].items() for m in methods}
    routed = {
        (route.path.replace(":path", ""), method)  # type: ignore[attr-defined]
        for route in build_app(service.desk).routes
        if not route.path.startswith("/dashboard")  # type: ignore[attr-defined] # for people
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }
    assert named == routed


@schema.parametrize()
@hypothesis.settings(
    max_examples=10, suppress_health_check=list(hypothesis.HealthCheck), deadline=None
)
def test_nothing_breaks_the_service(case: schemathesis.Case, service: Service) -> None:
    """Whatever is sent, valid or not, is answered, and never by a failure of the service."""
    headers: Any = {"authorization": "Bearer sk-schemathesis"}
    response = case.call(base_url=service.root_url, headers=headers)
    case.validate_response(
        response,
        checks=[
            not_a_server_error,
            *_checks("status_code_conformance", "content_type_conformance"),
        ],
    )


def _checks(*names: str) -> list[Any]:
    load_all_checks()
    return schemathesis.checks.CHECKS.get_by_names(list(names))
