"""Waiting for an account or replica, with the hop that is being tried shown meanwhile."""

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from mtfleet.cli.exits import CommandError, ExitCode
from mtfleet.cli.output import Output
from mtfleet.cli.remote import Remote

DEFAULT_TIMEOUT_SECONDS = 300.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0


class Goal(StrEnum):
    """What can be waited for."""

    CONNECTED = "connected"
    DEPLOYED = "deployed"
    UNDEPLOYED = "undeployed"
    DISCONNECTED = "disconnected"
    REMOVED = "removed"


def is_reached(item: Mapping[str, Any], goal: Goal) -> bool:
    """Tell whether the account as the server shows it is there. A connected replica counts as connected."""
    connections = {
        item["connectionStatus"],
        *(r["connectionStatus"] for r in item.get("accountReplicas", [])),
    }
    match goal:
        case Goal.CONNECTED:
            return item["state"] == "DEPLOYED" and "CONNECTED" in connections
        case Goal.DISCONNECTED:
            return "CONNECTED" not in connections
        case Goal.REMOVED:
            return False
        case _:
            return bool(item["state"] == goal.value.upper())


def describe(item: Mapping[str, Any]) -> str:
    """Say how it stands in a few words, with the hop that is not passed yet."""
    told = f"{item['state']}, {item['connectionStatus']}"
    hop = next((h for h in item.get("hops", []) if h["state"] != "passed"), None)
    if hop is None:
        return told
    return f"{told}; {hop['name']} {hop['state']}" + (f": {hop['lastError']}" if hop.get("lastError") else "")


def wait_until(remote: Remote, out: Output, where: str, goal: Goal, timeout_seconds: float) -> Any:
    """Ask until the goal is reached and return the last answer; `None` for something that was removed.

    Raises `CommandError`: failed when a failure is definite, timed out with the last state seen.
    """
    started = time.monotonic()
    pause = _FIRST_PAUSE_SECONDS
    out.on_interrupt = "The server goes on; only this command stopped waiting."
    with out.progress(f"Waiting until {goal.value}"):
        while True:
            item = _look(remote, where, goal)
            if item is None or is_reached(item, goal):
                out.on_interrupt = None
                return item
            _refuse_failure(item, goal)
            if time.monotonic() - started > timeout_seconds:
                raise CommandError(
                    f"Not {goal.value} after {timeout_seconds:g} seconds: {describe(item)}.",
                    ExitCode.TIMED_OUT,
                    hint="The server goes on trying; wait again or look at: mtfleet accounts show",
                )
            if pause >= _LONGEST_PAUSE_SECONDS:
                out.step(describe(item))
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _look(remote: Remote, where: str, goal: Goal) -> Any:
    try:
        return remote.get(where)
    except CommandError as problem:
        if problem.code is ExitCode.NOT_FOUND and goal is Goal.REMOVED:
            return None
        raise


def _refuse_failure(item: Mapping[str, Any], goal: Goal) -> None:
    """Raise when the goal can't be reached by waiting."""
    if item["state"].endswith("_FAILED") and goal is not Goal.DISCONNECTED:
        failed: Mapping[str, Any] = next((h for h in item.get("hops", []) if h["state"] == "failed"), {})
        raise CommandError(
            f"The account is {item['state']}: {failed.get('lastError', 'see its hops')}",
            details=failed.get("details"),
            hint="Correct what is wrong (mtfleet accounts update), then: mtfleet accounts deploy",
        )
    if item["state"] == "DRAFT" and goal in {Goal.CONNECTED, Goal.DEPLOYED}:
        raise CommandError(
            "The account is a draft: it has no login yet.", hint="mtfleet links create ACCOUNT"
        )
