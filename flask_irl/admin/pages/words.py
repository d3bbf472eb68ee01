"""Word changes, overrides and answers for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask_irl.operations.campaign_clients import place_of
from flask_irl.operations.moments import is_moment, when
from flask_irl.operations.results import AuditEntry
from flask_irl.verdicts.sentences import percent

ANSWERS: Final[Mapping[str, str]] = {
    "fine": "fine",
    "refused": "refused (429)",
    "denied": "denied (401, 403, failed logins)",
    "missing": "not found (404)",
    "other_4xx": "other 4xx",
    "failed": "server errors (5xx)",
}
OVERRIDES: Final[Mapping[str, str]] = {
    "allow": "allowed whatever it does",
    "block": "blocked",
    "limit": "limited to {amount} requests a window",
}
ORDERS: Final[Mapping[str, str]] = {
    "active": "Most active",
    "anomalous": "Most anomalous",
    "refused": "Most refused",
    "flagged": "Flagged",
    "overridden": "Overridden",
}
MODES: Final[Mapping[str, str]] = {
    "enforce": "Limits are tightened for anomalous clients. Clients that are flagged now are held "
    "to their share of every limit at once.",
    "shadow": "Verdicts are made, counted and logged, but tighten nobody's limit: flagged clients "
    "get their full limit back at once. Limits and operators' overrides hold.",
    "off": "No verdicts are made, and nothing is learned from requests: flagged clients get their "
    "full limit back at once. Limits and operators' overrides hold.",
}


def override(kind: str, amount: int) -> str:
    """Word an override."""
    return OVERRIDES.get(kind, kind).format(amount=f"{amount:,}")


def change(entry: AuditEntry) -> str:
    """Word a change of the audit log, such as ``203.0.113.7 is blocked until …``."""
    after, target = entry["after"] or {}, entry["target"]
    match entry["action"]:
        case "override":
            text = override(str(after.get("kind")), _whole(after.get("amount")))
            return f"{target} is {text} until {_moment(after.get('until'))}"
        case "clear":
            return f"The override of {target} is taken back"
        case "feedback":
            verdict = after.get("verdict")
            return (
                f"{target} is noted as {verdict}" if verdict else f"{target} has no note any more"
            )
        case "reset":
            return f"{target or 'Every client'} is forgotten"
        case "restore":
            return f"{target} is put back as it was before its reset"
        case "mode":
            return f"The mode is {after.get('mode')}"
        case "limits":
            return "Changed: " + state(after)
        case "plans":
            return "Changed: " + state(after)
        case "plan":
            if not after:
                return f"The plan assigned to {target} is taken back"
            return f"{target} has plan {after.get('plan')} until {_moment(after.get('until'))}"
        case "rollback":
            return f"Model {target} is in force and pinned"
        case "unpin":
            return f"Model {target} is no longer pinned"
        case "end_campaign":
            place = _place(entry["before"])
            until = f": none is named for the same until {_moment(after['until'])}"
            return f"The campaign {place} is ended{until if 'until' in after else ''}"
        case "resume_campaign":
            return f"The campaign {_place(after)} goes on"
        case "train":
            return (
                "A training has started"
                if after.get("result") == "started"
                else (f"A training has ended: {after.get('result')}")
            )
    return f"{entry['action']} {target}".strip()


def state(values: Mapping[str, Any] | None) -> str:
    """Word the members of a state before or after a change."""
    if not values:
        return "–"  # noqa: RUF001
    return ", ".join(
        f"{name.replace('_', ' ')} {_value(name, value)}" for name, value in values.items()
    )


def answers(shares: Mapping[str, Any] | None) -> list[tuple[str, float, str]]:
    """List the answers to a client: words, share (0 to 1), and the share in words."""
    found = [(words, float((shares or {}).get(name, 0.0))) for name, words in ANSWERS.items()]
    return [(words, share, percent(share)) for words, share in found if share >= 0.005]


def _value(name: str, value: object) -> str:
    if value is None:
        return "none"
    if is_moment(name, value):
        return _moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value + 0.0:.4g}"
    if isinstance(value, list):
        return "/".join(_value("", item) for item in value) or "none"
    return str(value)


def _moment(value: object) -> str:
    text = when(float(value)) if isinstance(value, int | float) else None
    return "–" if text is None else text.replace("T", " ").replace("Z", " UTC")  # noqa: RUF001


def _place(subject: Mapping[str, Any] | None) -> str:
    members = subject or {}
    return place_of(str(members.get("kind")), str(members.get("target")))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
