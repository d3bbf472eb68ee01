"""Name the fields of JSON logs, as servers and proxies call them; load their objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

CLIENT: Final = tuple(
    "request.client_ip clienthost clientip client_ip request.remote_ip httprequest.remoteip"
    " remote_addr remote_ip remoteip remote_address remoteaddr source.ip client.ip source.address"
    " client.address request.remote_addr clientaddr client_addr client-ip remote-addr c_ip c-ip"
    " src_ip source_ip remote_host remote client ip address".split()
)
FORWARDED: Final = tuple(
    "http_x_forwarded_for x_forwarded_for x-forwarded-for request.headers.x-forwarded-for"
    " request_x-forwarded-for headers.x-forwarded-for xff forwarded_for xforwardedfor".split()
)
REAL_IP: Final = tuple(
    "http_x_real_ip x_real_ip x-real-ip request.headers.x-real-ip request_x-real-ip"
    " headers.x-real-ip".split()
)
METHOD: Final = tuple(
    "request.method requestmethod clientrequestmethod httprequest.requestmethod request_method"
    " http.request.method http_method cs_method method verb".split()
)
TARGET: Final = tuple(
    "request.uri requestpath clientrequesturi clientrequestpath httprequest.requesturl request_uri"
    " url.original url.path requesturi request_path http.url request_url uri url path".split()
)
LINE: Final = tuple("request request_line requestline http_request".split())
STATUS: Final = tuple(
    "status downstreamstatus edgeresponsestatus httprequest.status http.response.status_code"
    " status_code statuscode response_status response_code response.status code".split()
)
SIZE: Final = tuple(
    "body_bytes_sent downstreamcontentsize edgeresponsebytes httprequest.responsesize"
    " http.response.body.bytes size bytes_sent bytes response_size response_length"
    " content_length body_bytes".split()
)
TIME: Final = tuple(
    "msec edgestarttimestamp startutc ts time_iso8601 @timestamp timestamp time_local time datetime"
    " start_time date time_iso time_unix".split()
)
AGENT: Final = tuple(
    "http_user_agent request.headers.user-agent request_user-agent clientrequestuseragent"
    " httprequest.useragent user_agent.original http.request.headers.user-agent user_agent"
    " useragent user-agent agent ua".split()
)
ORIGIN: Final = ("originresponsestatus", "originstatus")
"""Status that the app itself gave; 0 where it wasn't asked: caches, firewalls, redirects."""


def load_object(line: str) -> dict[str, object] | None:
    """Load a line that is a JSON object; None if it is none."""
    if line[:1] != "{":
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def flatten(value: Mapping[str, object], depth: int = 3, before: str = "") -> dict[str, str]:
    """Map the names of fields, lower-case and dotted, to their paths joined by NUL."""
    found: dict[str, str] = {}
    for key, inner in value.items():
        path = f"{before}\0{key}" if before else key
        found.setdefault(path.replace("\0", ".").lower(), path)
        if isinstance(inner, dict) and depth > 1:
            for name, deeper in flatten(inner, depth - 1, path).items():
                found.setdefault(name, deeper)
    return found
