"""The reference pages name everything there is, and nothing else."""

import re
from pathlib import Path
from typing import Any

from litestar.routes import HTTPRoute

from mtfleet.api.access import Allows
from mtfleet.api.metrics import exposition
from mtfleet.domain.access import SERVED
from mtfleet.fleet import metrics as fleet_metrics
from mtfleet.settings import flag_of, meanings, variable_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_every_endpoint_is_in_the_reference(built: Any) -> None:
    served = {
        f"{method.upper()} {path}"
        for path, item in built.app.openapi_schema.to_schema()["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }
    text = (REFERENCE / "rest-api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)` \|", text))
    assert documented == served


def test_every_method_of_the_access_rules_has_its_endpoint(built: Any) -> None:
    guarded = {
        (guard.application, guard.group, guard.method)
        for route in built.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for guard in handler.guards or ()
        if isinstance(guard, Allows)
    }
    manifest = {
        (one.application, group, method)
        for one in SERVED.values()
        if one.service == "rest"
        for group, methods in one.groups.items()
        for method in methods
    }
    assert guarded == manifest


def test_every_setting_is_in_the_reference() -> None:
    text = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(--[a-z-]+)` \| `(MTFLEET_[A-Z_]+)` \|", text, re.MULTILINE))
    assert rows == {(flag_of(name), variable_of(name)) for name in meanings()}


def test_every_metric_is_in_the_reference() -> None:
    assert fleet_metrics.__name__  # importing it makes its metrics
    text = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(mtfleet_\w+)` \|", text, re.MULTILINE))
    kinds = re.findall(r"^# TYPE (mtfleet_\w+) (\w+)$", exposition().decode(), re.MULTILINE)
    assert documented == {name for name, _ in kinds if not name.endswith("_created")}
