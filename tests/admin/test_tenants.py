"""The admin API of an app with tenants: nobody sees another tenant's, by whatever endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter, tenant_by_host
from flask_irl.admin.prefix import BLUEPRINT
from tests.admin.api import problem_of

SITE, OF_A, OF_B = "token-of-the-whole-site", "token-of-tenant-a-alone", "token-of-tenant-b-alone"
READS_A = "token-of-a-that-reads-only"
SECRET_CLIENT = "192.0.2.77"
"""A client of tenant b's."""
SECRET_REASON = "tenant b's own business"
KEY_OF_B = "a-key-of-b"
"""Stands in paths for the id of an API key of tenant b's."""
BODIES: dict[str, Any] = {
    "override": {"kind": "block", "seconds": 60},
    "feedback": {"verdict": "good"},
    "change_limits": {"base_limit": 77},
    "change_mode": {"mode": "shadow"},
    "change_plans": {"plans": {"pro": "5/minute"}},
    "assign_plan": {"plan": "pro", "seconds": 60},
    "issue_api_key": {"name": "own", "owner": "a"},
    "change_api_key": {"name": "stolen"},
}


def _tokens(secret: str, **more: str) -> dict[str, Any]:
    named = {"oncall": {"token": secret, "scope": "write"}}
    return named | {name: {"token": x, "scope": "read"} for name, x in more.items()}


class Site:
    """Hold an app with two tenants, of which b has traffic, an override and a changed limit."""

    def __init__(self, uri: str) -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            background=False,
            store_timeout=10.0,
            admin_token=SITE,
            api_keys=True,
            api_key_secret="a secret of the tests",
            plans={"pro": "600/minute"},
            tenant_of=tenant_by_host({"a.example": "a", "b.example": "b"}),
            tenants={
                "a": {"admin_tokens": _tokens(OF_A, reader=READS_A)},
                "b": {"admin_tokens": _tokens(OF_B), "base_limit": 55},
            },
        )
        self.app.add_url_rule("/", "index", lambda: "ok")
        client = self.app.test_client()
        for host, address in (("b", SECRET_CLIENT), ("a", "192.0.2.1")):
            for _ in range(6):
                client.get(
                    "/",
                    base_url=f"http://{host}.example",
                    environ_base={"REMOTE_ADDR": address},
                )
        with self.app.app_context():
            self.limiter.flush()
            self.limiter.tenant("b").block(SECRET_CLIENT, reason=SECRET_REASON)
            self.limiter.tenant("b").assign_plan("192.0.2.78", "pro", reason=SECRET_REASON)
            issued = self.limiter.tenant("b").api_keys.issue(name=SECRET_REASON, owner="b")
            self.key_of_b = issued["id"]
            self.limiter.tenant("b").block("198.51.100.0/24", reason=SECRET_REASON)

    def ask(self, method: str, path: str, token: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"}
        client = self.app.test_client()
        path = path.replace(KEY_OF_B, self.key_of_b)
        return client.open(path, method=method, headers=headers, buffered=True, **options)

    def state_of_b(self) -> Any:
        """Give all that an operator can see of tenant b, but for what time changes."""
        with self.app.app_context():
            limiter = self.limiter.tenant("b")
            found = limiter.client(SECRET_CLIENT)
        paths = ("limits", "mode", "audit", "models", "plans", "plans/clients", "api-keys")
        answers = [self.ask("GET", f"/admin/{x}", OF_B).get_data(as_text=True) for x in paths]
        return found and found["override"], answers


@pytest.fixture
def site(uri: str) -> Iterator[Site]:
    made = Site(uri)
    yield made
    made.limiter.close()


def endpoints(app: Flask) -> list[tuple[str, str, str]]:
    """List the methods, paths and names of all endpoints that need a token."""
    found = []
    for rule in app.url_map.iter_rules():
        name = rule.endpoint.removeprefix(f"{BLUEPRINT}.")
        if rule.endpoint.startswith(f"{BLUEPRINT}.") and name != "unknown":
            found += [(method, _path(rule), name) for method in (rule.methods or set())]
    return [x for x in found if x[0] not in ("HEAD", "OPTIONS")]


def _path(rule: Rule) -> str:
    values = {"id": SECRET_CLIENT, "version": "1", "campaign": "4189c322", "key": KEY_OF_B}
    path = rule.rule
    for argument in rule.arguments:
        start = path.rindex("<", 0, path.index(f"{argument}>"))
        end = path.index(">", start) + 1
        path = path[:start] + values[argument] + path[end:]
    return path


def test_there_are_endpoints_to_look_at(site: Site) -> None:
    found = endpoints(site.app)
    assert {name for _, _, name in found} >= {"client", "stats", "audit", "override", "tenants"}
    assert len(found) >= 20


@pytest.mark.parametrize("asked", ["", "?tenant=a"])
def test_no_endpoint_shows_or_changes_another_tenants(site: Site, asked: str) -> None:
    before = site.state_of_b()
    for method, path, name in endpoints(site.app):
        body = BODIES.get(name)
        answer = site.ask(method, path + asked, OF_A, **({} if body is None else {"json": body}))
        text = answer.get_data(as_text=True).replace(f"lient {SECRET_CLIENT}", "")
        assert answer.status_code < 500, (path, text)
        assert SECRET_REASON not in text, path
        assert "198.51.100.0" not in text, path
        assert '"base_limit": 55' not in text, path
        if name not in (
            "override",
            "clear",
            "audit",
            "assign_plan",
            "assigned_plans",
            "unassign_plan",
        ):
            assert SECRET_CLIENT not in text, path
    assert site.state_of_b() == before


def test_another_tenant_is_refused_whether_there_is_one_or_not(site: Site) -> None:
    for method, path, name in endpoints(site.app):
        body = {} if BODIES.get(name) is None else {"json": BODIES[name]}
        answers = [
            problem_of(site.ask(method, f"{path}?tenant={tenant}", OF_A, **body), 403)
            for tenant in ("b", "nobodys", "default", "../x", "x" * 1000)
        ]
        assert all(answer == answers[0] for answer in answers), path


def test_the_sites_token_chooses_a_tenant(site: Site) -> None:
    def base_limit(query: str) -> Any:
        return site.ask("GET", f"/admin/limits{query}", SITE).json["base_limit"]  # type: ignore[index]

    assert [base_limit(x) for x in ("", "?tenant=a", "?tenant=b")] == [100, 100, 55]
    shown = site.ask("GET", f"/admin/client/{SECRET_CLIENT}?tenant=b", SITE)
    assert shown.json["override"]["reason"] == SECRET_REASON  # type: ignore[index]
    assert shown.json["tenant"] == "b"  # type: ignore[index]
    problem_of(site.ask("GET", f"/admin/client/{SECRET_CLIENT}?tenant=a", SITE), 404)
    problem_of(site.ask("GET", f"/admin/client/{SECRET_CLIENT}", SITE), 404)


@pytest.mark.parametrize("tenant", ["x", "../x", "a/b", "%00", "x" * 10_000, "%F0%9F%92%A9"])
def test_a_tenant_that_there_is_not_is_404(site: Site, tenant: str) -> None:
    problem_of(site.ask("GET", f"/admin/stats?tenant={tenant}", SITE), 404)


def test_a_query_may_have_a_tenant_and_more(site: Site) -> None:
    answer = site.ask("GET", "/admin/clients?tenant=b&order=overridden&page_size=1", SITE)
    assert answer.json["total"] == 2  # type: ignore[index]
    problem_of(site.ask("GET", "/admin/clients?tenant=b&nonsense=1", SITE), 422)


def test_each_sees_the_tenants_that_it_may(site: Site) -> None:
    def names(token: str) -> Any:
        return site.ask("GET", "/admin/tenants", token).json["tenants"]  # type: ignore[index]

    assert (names(SITE), names(OF_A)) == (["default", "a", "b"], ["a"])


def test_a_tenants_token_that_reads_changes_nothing(site: Site) -> None:
    problem_of(site.ask("PUT", "/admin/mode", READS_A, json={"mode": "off"}), 403)
    assert site.ask("GET", "/admin/mode", READS_A).status_code == 200


def test_changes_are_in_the_tenants_audit_log_by_the_tokens_name(site: Site) -> None:
    site.ask("PUT", "/admin/mode", OF_A, json={"mode": "shadow"})
    site.ask("PUT", "/admin/mode?tenant=a", SITE, json={"mode": "enforce"})
    entries = site.ask("GET", "/admin/audit", OF_A).json["changes"]  # type: ignore[index]
    assert [(x["who"], x["action"], x["tenant"]) for x in entries] == [
        ("admin", "mode", "a"),
        ("a:oncall", "mode", "a"),
    ]
    own = site.ask("GET", "/admin/audit", SITE).json["changes"]  # type: ignore[index]
    assert own == []


def test_two_tenants_may_not_share_a_token() -> None:
    from flask_irl import ConfigurationError

    same = {"admin_tokens": _tokens(OF_A)}
    with pytest.raises(ConfigurationError, match="different tokens") as caught:
        IntelligentLimiter(
            Flask("site"),
            tenant_of=tenant_by_host({"a.example": "a", "b.example": "b"}),
            tenants={"a": same, "b": same},
        )
    assert OF_A not in str(caught.value)


def test_the_document_tells_of_the_tenant(site: Site) -> None:
    document = json.loads(site.ask("GET", "/admin/openapi.json", SITE).data)
    for path, item in document["paths"].items():
        assert "tenant" in [parameter.get("name") for parameter in item["parameters"]], path
