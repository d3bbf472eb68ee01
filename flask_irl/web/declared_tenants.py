"""Check that the tenants that are declared and what tells tenants apart belong together."""

from __future__ import annotations

from flask_irl.config.options import Options
from flask_irl.config.tenants import names_of, tenant_options, undeclared
from flask_irl.errors import ConfigurationError
from flask_irl.web.callbacks import check_callback
from flask_irl.web.tenant_selectors import TenantFunc, TenantSelector

TenantOf = TenantSelector | TenantFunc


def declared_tenants(options: Options, tenant_of: TenantOf | None) -> dict[str, Options]:
    """Give the options of an app's declared tenants.

    Args:
        options: The app's.
        tenant_of: Tells the tenants of requests; None for no tenants.

    Raises:
        ConfigurationError: A tenant isn't allowed, or the two don't belong together.
    """
    declared = tenant_options(options)
    if tenant_of is None:
        if declared:
            raise ConfigurationError(
                f"tenants is given ({names_of(declared)}) without tenant_of: give that, such as "
                'tenant_by_host({"a.example.com": "a"}), to tell which request is whose'
            )
        return {}
    if isinstance(tenant_of, TenantSelector):
        names = tenant_of.names
        if declared and options.undeclared_tenants == "shared" and names - declared.keys():
            raise ConfigurationError(
                f"{tenant_of.kind} names {names_of(names - declared.keys())}, which tenants doesn't"
                f" declare; there are: {names_of(declared)}"
            )
        return {**{name: undeclared(options, name) for name in sorted(names)}, **declared}
    check_callback("tenant_of", tenant_of)
    return declared
