"""Test the operator's page of an app with tenants: a choice for the site's operator, and no way
from one tenant to another for a tenant's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.admin.pages.tenant_choice import MOST
from flask_irl.admin.prefix import PAGES_BLUEPRINT
from flask_irl.admin.state import EXTENSION
from flask_irl.errors import StoreError
from tests.admin.api import WRITE
from tests.admin.pages.visitor import PAGE, Visitor, notice
from tests.admin.test_tenants import OF_A, READS_A, SECRET_CLIENT, SECRET_REASON, SITE, Site

OF_ALL = {"sign_in", "sign_out", "file", "index"}
"""Views that show nothing of any tenant."""


@pytest.fixture
def site(uri: str) -> Iterator[Site]:
    made = Site(uri)
    yield made
    made.limiter.close()


def views(app: Flask) -> list[tuple[str, str]]:
    """List the methods and paths of all views of the page that show or change something."""
    found = []
    for rule in app.url_map.iter_rules():
        blueprint, _, name = str(rule.endpoint).rpartition(".")
        if blueprint == PAGES_BLUEPRINT and name not in OF_ALL:
            path = rule.rule.removeprefix(PAGE)
            path = path.replace("<ranking>", "clients").replace("<form>", "csv")
            assert "<" not in path, path
            found += [(method, path) for method in rule.methods or () if method in ("GET", "POST")]
    assert len(found) >= 14
    return found


FORMS: dict[str, list[dict[str, object]]] = {
    "/campaign": [{"id": "4189c322", "seconds": 600}],
    "/client": [
        {"id": SECRET_CLIENT, "action": action, "seconds": 60, "sure": 1}
        for action in ("allow", "clear", "good", "reset")
    ],
    "/limits": [
        {"action": "mode", "mode": "off", "sure": 1},
        {"action": "limits", "base_limit": 7, "sure": 1},
    ],
    "/models": [{"action": "unpin", "sure": 1}],
    "/undo": [{"at": "1.0", "target": SECRET_CLIENT}],
}


@pytest.mark.parametrize("token", [OF_A, READS_A], ids=["writes", "reads"])
def test_no_address_shows_a_tenants_session_another_tenants(site: Site, token: str) -> None:
    visitor, site_wide = Visitor(site.app, token), 0
    for method, path in views(site.app):
        if method == "POST":
            continue
        for query in ("", "?tenant=a", f"?q={SECRET_CLIENT}&order=overridden"):
            text = visitor.open(path + query).text
            assert SECRET_REASON not in text, path
            assert SECRET_CLIENT not in text.replace(f'value="{SECRET_CLIENT}"', ""), path
            assert 'id="tenant"' not in text
            assert f'href="{PAGE}/tenants' not in text
            site_wide += "tenant a</span>" in text
        answers = [
            visitor.open(f"{path}?tenant={tenant}")
            for tenant in ("b", "default", "nobodys", "../x", "x" * 1000)
        ]
        assert {answer.status_code for answer in answers} == {403}, path
        told = {re.sub(r"form_token\W+value=\W+\w+", "", answer.text) for answer in answers}
        assert len(told) == 1, "nothing tells whether there is such a tenant"
    assert site_wide >= 16
    answer = visitor.open(f"/client?id={SECRET_CLIENT}")
    assert (answer.status_code, SECRET_REASON in answer.text) == (404, False)


def test_no_form_of_a_tenants_session_changes_another_tenants(site: Site) -> None:
    before = site.state_of_b()
    visitor = Visitor(site.app, OF_A)
    assert {path for method, path in views(site.app) if method == "POST"} == set(FORMS)
    for path, forms in FORMS.items():
        for fields in forms:
            assert visitor.send(f"{path}?tenant=b", fields).status_code == 403
            answer = visitor.send(path, {**fields, "tenant": "b"})
            assert SECRET_REASON not in answer.text
            assert "tenant=b" not in answer.headers.get("Location", "")
    assert site.state_of_b() == before


def test_the_sites_operator_chooses_a_tenant_which_stays_in_every_address(site: Site) -> None:
    visitor = Visitor(site.app, SITE)
    text = visitor.open("/clients?tenant=b&order=overridden").text
    assert f"id={SECRET_CLIENT}" in text
    assert re.search(r"<option selected>b</option>", text)
    addresses = [unescape(x) for x in re.findall(r'(?:href|action)="([^"]*)"', text)]
    of_page = [x for x in addresses if x.startswith(f"{PAGE}/")]
    free = ("/files/", "/sign-out", "/tenants", "/sign-in")
    own = [x for x in of_page if not x.startswith(tuple(PAGE + name for name in free))]
    assert len(own) >= 8
    # But for the form that chooses another.
    assert [x for x in own if "tenant=b" not in x] == [f"{PAGE}/clients"]
    # A form that makes an address has the tenant as a field.
    assert '<input type="hidden" name="tenant" value="b">' in text
    assert '<input type="hidden" name="tenant" value="b">' in visitor.open("/models?tenant=b").text
    for path in ("/clients?tenant=a&order=overridden", "/clients?order=overridden"):
        assert f"id={SECRET_CLIENT}" not in visitor.open(path).text


def test_changes_and_their_undo_go_to_the_tenant_that_is_chosen(site: Site) -> None:
    visitor = Visitor(site.app, SITE)
    visitor.open("/limits?tenant=b")
    fields = {"action": "limits", "base_limit": 66, "sure": 1}
    answer = visitor.change("/limits?tenant=b", fields)
    assert "tenant=b" in answer.request.url
    assert notice(answer) == "Changed: base limit 66."

    def base_limits() -> list[int]:
        queries = ("", "?tenant=a", "?tenant=b")
        answers = [site.ask("GET", f"/admin/limits{x}", SITE).json for x in queries]
        return [x["base_limit"] for x in answers if x]

    assert base_limits() == [100, 100, 66]
    undo = re.search(r'action="([^"]*/undo[^"]*)"', answer.text)
    assert undo and undo[1] == f"{PAGE}/undo?tenant=b"
    form = dict(re.findall(r'name="(at|target)" value="([^"]*)"', answer.text))
    assert visitor.send("/undo?tenant=b", form).status_code == 303
    assert base_limits() == [100, 100, 55]


def test_a_field_of_a_form_chooses_no_tenant(site: Site) -> None:
    before, visitor = site.state_of_b(), Visitor(site.app, SITE)
    fields = {"action": "limits", "base_limit": 66, "sure": 1, "tenant": "b"}
    assert notice(visitor.change("/limits", fields)) == "Changed: base limit 66."
    assert site.state_of_b() == before


def test_the_whole_site_is_seen_by_tenants_and_in_all(site: Site) -> None:
    text = Visitor(site.app, SITE).open("/tenants").text
    rows = re.findall(r'data-key="(\w+)".*?<td class="number">(\d+)</td>', text)
    assert rows == [("default", "0"), ("a", "6"), ("b", "6")]
    assert re.search(r'the whole site</th><td class="number">12</td>', text)
    assert f'href="{PAGE}/?tenant=b"' in text


def test_a_tenant_that_there_is_not_leads_back_to_the_site(site: Site) -> None:
    visitor = Visitor(site.app, SITE)
    for tenant in ("x", "../x", "x" * 1000, "<b>", "%F0%9F%92%A9"):
        answer = visitor.open(f"/limits?tenant={tenant}")
        assert answer.status_code == 404
        assert f'<a href="{PAGE}/">To the overview</a>' in answer.text
    assert visitor.open("/limits?tenant=").status_code == 200
    assert visitor.open("/limits?tenant=default").status_code == 200


def test_after_signing_in_the_tenant_is_still_chosen(site: Site) -> None:
    visitor = Visitor(site.app, None)
    asked = visitor.client.get(f"{PAGE}/?tenant=b")
    form = visitor.client.get(asked.headers["Location"]).text
    assert f'name="next" value="{PAGE}/?tenant=b"' in form
    answer = visitor.sign_in(SITE, next=f"{PAGE}/?tenant=b")
    assert answer.headers["Location"] == f"{PAGE}/?tenant=b"


def test_the_prefix_itself_leads_on_with_the_tenant(site: Site) -> None:
    client = site.app.test_client()
    for query, then in (("", ""), ("?tenant=b", "?tenant=b"), ("?_external=1&x=2", "")):
        assert client.get(f"/admin/{query}").headers["Location"] == f"{PAGE}/{then}"


def test_a_tenants_session_has_no_list_of_tenants(site: Site) -> None:
    assert Visitor(site.app, OF_A).open("/tenants").status_code == 403


def test_who_the_hosts_login_admits_chooses_among_all_tenants() -> None:
    app = Flask("host")
    IntelligentLimiter(
        app,
        authorize=lambda scope: "ada",
        background=False,
        tenant_of=lambda: None,
        tenants={"a": {}, "b": {"base_limit": 55}},
    )
    visitor = Visitor(app, None)
    assert "100 requests in" in visitor.open("/limits").text
    text = visitor.open("/limits?tenant=b").text
    assert "55 requests in" in text
    assert "<option selected>b</option>" in text
    assert visitor.open("/limits?tenant=c").status_code == 404
    fields = {"action": "mode", "mode": "shadow", "sure": 1}
    visitor.open("/limits?tenant=b")
    assert notice(visitor.change("/limits?tenant=b", fields)) == "The mode is shadow."
    assert "<dd>enforce</dd>" in visitor.open("/limits").text


def test_an_app_without_tenants_has_no_choice() -> None:
    app = Flask("host")
    IntelligentLimiter(app, admin_token=WRITE, background=False)
    visitor = Visitor(app, WRITE)
    assert 'name="tenant"' not in visitor.open("/clients").text
    assert visitor.open("/tenants").status_code == 404
    assert visitor.open("/clients?tenant=a").status_code == 404


def test_many_tenants_are_named_rather_than_listed() -> None:
    app = Flask("host")
    names: dict[str, dict[str, object]] = {f"t{number:03}": {} for number in range(MOST + 1)}
    IntelligentLimiter(
        app, admin_token=WRITE, background=False, tenant_of=lambda: None, tenants=names
    )
    visitor = Visitor(app, WRITE)
    text = visitor.open("/clients?tenant=t007").text
    assert re.search(r'<input id="tenant" name="tenant" value="t007"', text)
    assert "<option>t" not in text
    pages = [visitor.open(f"/tenants?page={n}").text for n in (1, 2, 3)]
    assert [text.count("data-key=") for text in pages] == [50, 50, 2]


def test_while_the_store_is_out_the_choice_is_a_name(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(site.app, SITE)

    def fail() -> list[str]:
        raise StoreError("no route to host", kind="connection")

    monkeypatch.setattr(site.app.extensions[EXTENSION].tenants, "names", fail)
    answer = visitor.open("/limits?tenant=b")
    assert answer.status_code == 200
    assert re.search(r'<input id="tenant" name="tenant" value="b"', answer.text)
    assert visitor.open("/tenants").status_code == 503
