"""Write pages from the package's own templates, apart from the host's Jinja environment.

The host may have other delimiters, filters or context processors, and no escaping.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flask import Response, current_app, request, url_for
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from flask_irl.admin.endpoints import TENANT
from flask_irl.admin.pages.access import visitor_or_none
from flask_irl.admin.pages.sessions import form_token
from flask_irl.admin.pages.tenant_choice import chosen_tenant, tenant_choice
from flask_irl.admin.prefix import DOCS_BLUEPRINT, PAGES_BLUEPRINT
from flask_irl.operations.moments import when
from flask_irl.telemetry.log import LAST_MOMENT
from flask_irl.verdicts.sentences import percent, plain

TEMPLATES: Final = Path(__file__).parent / "templates"
UNITS: Final = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
OF_NO_TENANT: Final = frozenset({"file", "sign_in", "sign_out", "tenants"})
"""Views that are the same for all tenants."""
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field


def address(endpoint: str, **values: object) -> str:
    """Give the path of a view of the page, by its name; it stays with the tenant chosen."""
    if endpoint not in OF_NO_TENANT:
        values = {TENANT: chosen_tenant() or None, **values}
    whole: dict[str, Any] = {
        name: value.encode(errors="replace").decode() if isinstance(value, str) else value
        for name, value in values.items()
    }
    return url_for(f"{PAGES_BLUEPRINT}.{endpoint}", **whole)


def tenant_field() -> Markup:
    """Write the hidden field that keeps the tenant chosen, for forms that make an address."""
    tenant = chosen_tenant()
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return field.format(TENANT, tenant) if tenant else Markup("")


def moment(seconds: float | None) -> Markup:
    """Write a moment, in seconds since the epoch, as an element with its time in UTC."""
    text = when(min(seconds, LAST_MOMENT)) if seconds else None
    if text is None:
        return Markup("–")  # noqa: RUF001
    shown = text.replace("T", " ").replace("Z", " UTC")
    return Markup('<time datetime="{}">{}</time>').format(text, shown)


def span(seconds: float) -> str:
    """Write a span of time in its largest unit, such as ``4 minutes``."""
    name, unit = next((u for u in UNITS if seconds >= u[1]), UNITS[-1])
    count = int(seconds // unit)
    return f"{count:,} {name}" + ("" if count == 1 else "s")


def text_of(value: object) -> str:
    """Write a value of a setting or a state for people."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value + 0.0:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value)) or "none"
    return str(value)


_environment: Final = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    moment=moment, span=span, percent=percent, plain=plain, text_of=text_of, escape=escape
)
_environment.globals.update(address=address, tenant_field=tenant_field, FORM_TOKEN=FORM_TOKEN)


def page(template: str, status: int = 200, **values: object) -> Response:
    """Write a page.

    Args:
        template: Its template's file.
        status: The response's status.
        values: The template's further values.
    """
    visitor = visitor_or_none()
    here = (request.endpoint or "").rpartition(".")[2]
    shared: Mapping[str, Any] = {
        "visitor": visitor,
        "form_token": form_token(visitor.secret) if visitor is not None else "",
        "here": here,
        "tenants": tenant_choice(here),
        "docs": url_for(f"{DOCS_BLUEPRINT}.docs")
        if f"{DOCS_BLUEPRINT}.docs" in current_app.view_functions
        else None,
    }
    text = _environment.get_template(template).render({**shared, **values})
    # Somebody may have written half a character to the store, which no encoding takes.
    return Response(text.encode(errors="replace"), status, mimetype="text/html")
