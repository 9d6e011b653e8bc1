"""The reference names everything that a user can see of the fleet."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from mtfleet.domain.deployment import AccountState, ConnectionStatus, HopName, HopState, Phase
from mtfleet.fleet import metrics

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "states.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*AccountState, *ConnectionStatus, *HopName, *HopState])
def test_every_word_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_every_metric_is_named_as_it_is_exported() -> None:
    ours = [
        metric
        for collector in vars(metrics).values()
        if isinstance(collector, Counter | Gauge | Histogram)
        for metric in collector.collect()
    ]
    assert len(ours) > 10
    for metric in ours:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"`{name}`" in PAGE


def test_every_label_exists_from_the_start() -> None:
    for phase in Phase:
        assert REGISTRY.get_sample_value("mtfleet_sessions_held_accounts", {"phase": phase.value}) is not None
    for hop in HopName:
        assert REGISTRY.get_sample_value("mtfleet_hops_failed_total", {"hop": hop.value}) is not None
