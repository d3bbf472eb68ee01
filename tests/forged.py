"""Put values of the site in a store, past the code that writes them: sound ones, or forged."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from flask_irl.campaigns.activity import Activity
from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.campaigns.site_view import SiteView
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.network_override import NetworkOverride
from flask_irl.limits.override import Override

CAMPAIGN = Campaign(Subject("login", "/login", "direct"), 1.7e9, 213.4, 640.0, per_minute=0.5)
NETWORK = "203.0.113.0/24"
SETTINGS = json.dumps(
    {
        "anomalous_factor": 0.5,
        "anomaly_threshold": -0.6,
        "base_limit": 50,
        "further_factors": [0.25],
        "mode": "enforce",
        "window_seconds": 60,
    }
).encode()
OVERRIDE = NetworkOverride(NETWORK, Override("limit", 1.7e9 + 900, 5), "r", "ada").encode()
TABLE = Table({CAMPAIGN.subject: CAMPAIGN}, {Subject("site", "", "taking"): 1.7e9 + 60}, 2).encode()
TRAINING = json.dumps(
    {
        **{"at": 1.7e9, "seconds": 1.0, "version": 3, "rows": 5, "clients": 2, "requests": 50},
        **{"result": "accepted", "reason": ""},
    }
).encode()
NEWS = json.dumps(
    {"latest": 1.7e9, "counts": [["login", "/login", "direct", {"failed": 3, "clients": 2}]]}
).encode()
AUDIT = json.dumps(
    {
        **{"at": 1.7e9, "who": "ada", "action": "rollback", "target": "3", "reason": ""},
        **{"before": {"version": 2}, "after": {"version": 3, "until": 1.7e9}},
    }
).encode()
REPORT = json.dumps({"crowd_guard": False, "model": 3}).encode()


def view() -> bytes:
    """Encode what is usual for a site."""
    site = SiteView()
    activity = Activity(1.7e9, 3600.0)
    activity.add({"failed": 2.0, "clients": 1.0}, 1.7e9)
    site.activities[CAMPAIGN.subject] = activity
    return site.encode()


SOUND = {
    "settings": SETTINGS,
    "campaigns": TABLE,
    "news": NEWS,
    "view": view(),
    "training": TRAINING,
    "network": OVERRIDE,
    "audit": AUDIT,
    "worker": REPORT,
}
NAMES = st.sampled_from([NETWORK, "x", "\0", "0.0.0.0/99", "::/0", ""])
"""Names of networks and of workers."""


def put(limiter: Limiter, name: str, data: bytes, text: str = NETWORK) -> None:
    """Put a value of the site in the store, under a name of a network or a worker."""
    store = limiter.store
    if name == "settings":
        store.put_settings(store.settings()[0], data)
    elif name == "campaigns":
        store.put_campaigns(store.campaigns()[0], data)
    elif name == "news":
        store.add_news("campaigns", data, 100)
    elif name == "view":
        store.put_note("campaigns", data)
        limiter.learning.campaigns._view = None
    elif name == "training":
        store.put_note("training", data)
    elif name == "network":
        store.put_network(text, data, 100)
    elif name == "audit":
        store.add_audit(data)
    elif name == "worker":
        store.tell_worker(text, data)
    elif name == "rows":
        store.add_rows([data], 100)
