"""Test the options: their sources, their values, and messages about values not allowed."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from flask_irl.config.options import OPTIONS, Options, check_option
from flask_irl.config.sources import resolve
from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Scope


class Sample(NamedTuple):
    """Give values of an option: three good ones, all different, and bad ones.

    ``environment`` is its second variable, beside that of its config key's name.
    """

    good: tuple[Any, Any, Any]
    bad: tuple[Any, ...]
    environment: str | None = None
    config: str | None = None


BOOLEAN = Sample((True, "off", False), ("maybe", 1, 2.0, "", [True]))
WHOLE = (0, -1, 1.5, "1.5", "many", True, [5], 2**31, "9" * 5000)
COUNT = tuple(bad for bad in WHOLE if bad != 0 or bad is True)
SAMPLES: dict[str, Sample] = {
    "storage_uri": Sample(
        ("redis://a", "redis://b", "redis://c"), ("  ", 5, b"redis://a", ["redis://a"]), "REDIS_URL"
    ),
    "storage_options": Sample(({"a": 1}, '{"b": 2}', {}), ("a=1", "[1]", 5, {1: 2}, [("a", 1)])),
    "key_prefix": Sample(("a", "b:c", "shop-1."), (" ", "a b", "a{b}", "é", "a\n", 5)),
    "strategy": Sample(
        ("fixed-window", "gcra", "sliding-window-counter"), ("fixed", "GCRA", 5, ["gcra"])
    ),
    "base_limit": Sample((10, "20", 2**31 - 1), WHOLE, "BASE_LIMIT"),
    "window_seconds": Sample((10, "3600", 366 * 86_400), (*WHOLE, 367 * 86_400), "WINDOW_SECONDS"),
    "burst": Sample((10, "20", 1), WHOLE),
    **dict.fromkeys(
        ("default_limits", "application_limits", "meta_limits"),
        Sample(
            ("5/minute", ["1/second", "5/minute;9/day"], ()),
            ("5/fortnight", ["5/minute", "six"], [5], 5, b"5/minute", ["1/day"] * 17, "0/minute"),
        ),
    ),
    "exempt": Sample(
        (("/health", "endpoint:static-*"), "/a,endpoint:b", '["/c"]'),
        ("health", "endpoint:", "/a,b", 5, [5], b"/a"),
    ),
    "limits": Sample(
        ({"/a/*": "5/minute"}, '{"endpoint:b": ["1/second", "5/minute"]}', {}),
        ("/a=5/minute", "[1]", {"a": "5/minute"}, {5: "5/minute"}, {"/a": ""}, {"/a": 5}, 5),
    ),
    "plans": Sample(
        ({"free": "5/minute"}, '{"pro": ["1/second", "5/minute"]}', {}),
        (
            *("free", "free=", "=5/minute", "[1]", 5, {"a b": "5/minute"}, {5: "5/minute"}),
            *(
                {"a": ""},
                {"a": 5},
                {"x" * 33: "5/minute"},
                {f"p{n}": "5/minute" for n in range(101)},
            ),
        ),
    ),
    "time_zone": Sample(
        ("Europe/Berlin", "America/New_York", "UTC"),
        ("  ", 5, "Mars/Olympus", "../etc/passwd", "/etc/localtime", "x" * 60),
    ),
    "default_plan": Sample(("free", "pro", "a"), ("  ", 5, ["free"])),
    "enabled": BOOLEAN,
    "mode": Sample(("enforce", "shadow", "off"), ("on", "Enforce", True, ["off"])),
    "headers_enabled": BOOLEAN,
    "ietf_headers": BOOLEAN,
    "reset_format": Sample(("epoch", "seconds", "epoch"), ("date", "", 1, ["epoch"])),
    "early_refusals": BOOLEAN,
    "leases": BOOLEAN,
    "train": BOOLEAN,
    "anomaly_threshold": Sample(
        (-1, "-0.25", 0.0), (0.1, -1.5, "x", True, "nan", "inf", 10**400, [0]), "ANOMALY_THRESHOLD"
    ),
    "anomalous_factor": Sample((0.5, "0.1", 1), (0, 1.01, -0.1, "x", True, "nan", None.__class__)),
    "further_factors": Sample(
        ((0.2, 0.1), "0.1,0", (0.05,)),
        (
            *("0.1,0.2", [0.1, 0.1], "x", 5, [1.5], [-0.1], b"0.1", "nan", [True]),
            *([0.9, "0.8", None], tuple(0.9 - i / 10 for i in range(9))),
        ),
    ),
    "detector": Sample(
        ("isolation_forest", "random_forest", "blend"), ("forest", "", 5, ["blend"])
    ),
    "learning_minutes": Sample((0, "30", 10_080), (-1, 10_081, "x", True, "nan")),
    "login_failures": Sample((0, "20", 5), COUNT),
    "login_routes": Sample(
        (("/a",), "/b,!endpoint:c", ["/d"]), (5, [5], b"/a", "a", "endpoint:", "!")
    ),
    "unknown_paths": Sample((0, "20", 5), COUNT),
    "campaigns": Sample((False, "true", True), (5, "x", [True])),
    "honeypots": Sample((("/a",), "/b,/c", ["/d"]), (5, [5], b"/a", "wp", "/a,wp", "/", "//")),
    "allow": Sample((("10.0.0.0/8",), "a,b", ["c"]), (5, [5], b"a")),
    "deny": Sample((("10.0.0.0/8",), "a,b", ["c"]), (5, [5], b"a")),
    "false_flag_rate": Sample((0.01, "0.1", 0.2), (0, 0.3, "x", False, "nan")),
    "training_interval_minutes": Sample(
        (1, "2.5", 10_080), (0, -1, "x", 10_081, True), "TRAINING_INTERVAL", "IRL_TRAINING_INTERVAL"
    ),
    "min_clients": Sample((10, "20", 1), WHOLE),
    "rows_capacity": Sample((50, "60", 1_000_000), (49, 1_000_001, "x", True)),
    "recent_requests": Sample((0, "20", 100), (-1, 101, "x", True)),
    "profile_ttl_seconds": Sample((60, "3600", 30 * 86_400), (59, 30 * 86_400 + 1, "x", True)),
    "on_store_error": Sample(("memory", "allow", "deny"), ("raise", "", True)),
    "store_timeout": Sample((0.1, "0.25", 60), (0, -1, 61, "x", True, "inf")),
    "webhooks": Sample(
        (("https://a/b",), "https://a,http://b:8000/c", ["http://c"]),
        (5, [5], "a.example", "ftp://a", "https://", "https://a:b@c"),
    ),
    "webhook_secret": Sample(("a" * 16, "b" * 20, "c" * 99), ("a" * 15, 5, b"secret" * 9)),
    "admin_token": Sample(("a", "b", "c"), ("  ", 5, b"secret")),
    "api_key_header": Sample(("X-Key", "Authorization", "X-Token"), ("", " ", 5)),
    "api_keys": BOOLEAN,
    "api_key_secret": Sample(
        (("a" * 16,), "b" * 16 + "," + "c" * 16, ["d" * 20]), ("short", 5, [5], b"e" * 16)
    ),
    "admin_tokens": Sample(
        ({"a": {"token": "x", "scope": "read"}}, {}, {"b": {"token": "y", "scope": "write"}}),
        ("x", 5, {1: "x"}),
    ),
    "admin": BOOLEAN,
    "admin_docs": BOOLEAN,
    "admin_page": BOOLEAN,
    "country_file": Sample(("/a.mmdb", "b.mmdb", "c d"), ("  ", 5, b"/a", "a\0b")),
    "asn_file": Sample(("/a.mmdb", "b.mmdb", "c d"), ("  ", 5, b"/a", "a\0b")),
    "url_prefix": Sample(("/ops", "/x", "/y"), ("", " ", 5), config="IRL_ADMIN_URL_PREFIX"),
    "background": BOOLEAN,
    "tenants": Sample(({"a": {}}, '{"b": {"base_limit": 5}}', {}), ("x", 5, {1: {}}, [("a", {})])),
    "undeclared_tenants": Sample(("shared", "own", "shared"), ("none", "", True, ["own"])),
    "max_tenants": Sample((10, "20", 10_000), (*WHOLE, 10_001)),
    "tenant_rows": Sample((10, "20", 1), WHOLE),
    "shared_model": BOOLEAN,
}
NAMES = sorted(SAMPLES)
MAY_BE_OFF = {"base_limit"}
SECRETS = {"admin_token", "webhook_secret"}
NOT_SHOWN = {
    *("storage_uri", "storage_options", "admin_tokens", "webhooks", "api_key_secret", "tenants"),
    *SECRETS,
}
READ: dict[str, dict[Any, Any]] = {
    name: {
        "5/minute": (Limit(5, 60),),
        "['1/second', '5/minute;9/day']": (Limit(1, 1), Limit(5, 60), Limit(9, 86_400)),
    }
    for name in ("default_limits", "application_limits", "meta_limits")
} | {
    "exempt": {"/a,endpoint:b": ("/a", "endpoint:b"), '["/c"]': ("/c",)},
    "limits": {
        "{'/a/*': '5/minute'}": {"/a/*": (Limit(5, 60),)},
        '{"endpoint:b": ["1/second", "5/minute"]}': {"endpoint:b": (Limit(1, 1), Limit(5, 60))},
    },
    "plans": {
        "{'free': '5/minute'}": {"free": (Limit(5, 60),)},
        '{"pro": ["1/second", "5/minute"]}': {"pro": (Limit(1, 1), Limit(5, 60))},
    },
    "further_factors": {"0.1,0": (0.1, 0.0)},
    "storage_options": {'{"b": 2}': {"b": 2}},
    "tenants": {'{"b": {"base_limit": 5}}': {"b": {"base_limit": 5}}},
    "login_routes": {"/b,!endpoint:c": ("/b", "!endpoint:c")},
    "honeypots": {"/b,/c": ("/b", "/c")},
    "webhooks": {"https://a,http://b:8000/c": ("https://a", "http://b:8000/c")},
    "allow": {"a,b": ("a", "b")},
    "api_key_secret": {"b" * 16 + "," + "c" * 16: ("b" * 16, "c" * 16)},
    "deny": {"a,b": ("a", "b")},
}
each_option = pytest.mark.parametrize("name", NAMES)


def config_key(name: str) -> str:
    """Give the key that an option should have in the app's config."""
    return SAMPLES[name].config or f"IRL_{name.upper()}"


def value_of(name: str, **sources: Mapping[str, Any]) -> Any:
    """Resolve an option from arguments, config and environment, each empty by default."""
    mappings = [sources.get(source, {}) for source in ("arguments", "config", "environment")]
    return getattr(resolve(*mappings), name)


def as_text(value: Any) -> str:
    """Write a value as an environment variable has it."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def converted(name: str, good: Any) -> Any:
    """Give the value of an option that a good value of its sample should become."""
    if name in READ:
        read = READ[name].get(good if isinstance(good, str) else str(good), good)
        return tuple(read) if isinstance(read, list) else read
    default = getattr(Options(), name)
    if good == "off" and name != "mode":
        return False
    texts = {*SECRETS, "default_plan", "country_file", "asn_file"}
    if isinstance(good, str) and not isinstance(default, str) and name not in texts:
        return type(1 if default is None else default)(good)
    return good


def test_there_is_a_sample_of_every_option() -> None:
    assert list(OPTIONS) == [field.name for field in dataclasses.fields(Options)]
    assert set(SAMPLES) == OPTIONS.keys()


@each_option
def test_an_option_is_declared_with_the_names_of_its_sources(name: str) -> None:
    spec = OPTIONS[name]
    assert (spec.config_key, spec.variable) == (config_key(name), SAMPLES[name].environment)


@each_option
def test_options_made_by_hand_are_checked_too(name: str) -> None:
    for bad in SAMPLES[name].bad:
        with pytest.raises(ValueError):
            Options(**{name: bad})


@each_option
def test_a_converted_value_stays_as_it_is(name: str) -> None:
    for good in SAMPLES[name].good:
        value = check_option(name, good)
        assert check_option(name, value) == value
        assert getattr(dataclasses.replace(Options(), **{name: good}), name) == value


@each_option
def test_without_any_source_an_option_has_its_default(name: str) -> None:
    assert value_of(name) == getattr(Options(), name)


@each_option
def test_an_argument_wins_over_the_config_and_that_over_the_environment(name: str) -> None:
    sample = SAMPLES[name]
    first, second, third = sample.good
    everywhere: dict[str, Mapping[str, Any]] = {
        "arguments": {name: first},
        "config": {config_key(name): second},
        "environment": {config_key(name): as_text(third)},
    }
    assert value_of(name, **everywhere) == converted(name, first)
    del everywhere["arguments"]
    assert value_of(name, **everywhere) == converted(name, second)
    del everywhere["config"]
    assert value_of(name, **everywhere) == converted(name, third)


@pytest.mark.parametrize("name", [name for name in NAMES if SAMPLES[name].environment])
def test_of_two_variables_the_one_of_the_config_keys_name_wins(name: str) -> None:
    first, second, _ = map(as_text, SAMPLES[name].good)
    second_variable = SAMPLES[name].environment or ""
    both = {second_variable: second, config_key(name): first}
    assert value_of(name, environment=both) == value_of(name, config={config_key(name): first})
    both[config_key(name)] = ""
    assert value_of(name, environment=both) == value_of(name, config={config_key(name): second})


@each_option
def test_none_and_an_empty_environment_variable_count_as_not_given(name: str) -> None:
    environment = {config_key(name): "", SAMPLES[name].environment or "": ""}
    arguments = {} if name in MAY_BE_OFF else {name: None}
    sources = {"arguments": arguments, "config": {config_key(name): None}}
    assert value_of(name, **sources, environment=environment) == getattr(Options(), name)


@pytest.mark.parametrize("name", sorted(MAY_BE_OFF))
def test_what_may_be_off_is_so_by_none_as_argument_and_by_the_word_elsewhere(name: str) -> None:
    key = config_key(name)
    assert value_of(name, arguments={name: None}, config={key: 5}) is None
    assert value_of(name, config={key: "none"}, environment={key: "5"}) is None
    assert value_of(name, environment={key: " None "}) is None
    with pytest.raises(ConfigurationError, match=rf"^{key} is 'nine'.* or none"):
        value_of(name, environment={key: "nine"})


@pytest.mark.parametrize(
    ("name", "bad"), [(name, bad) for name in NAMES for bad in SAMPLES[name].bad], ids=repr
)
def test_a_bad_value_is_refused_with_its_source_and_the_values_allowed(name: str, bad: Any) -> None:
    for sources, key in (({"arguments": {name: bad}}, name), (
        {"config": {config_key(name): bad}}, config_key(name)
    )):  # fmt: skip
        with pytest.raises(ConfigurationError) as caught:
            value_of(name, **sources)
        message = str(caught.value)
        assert message.startswith(key)
        assert "give" in message or "write it as" in message or "at most" in message
        if name in NOT_SHOWN:
            assert "(not shown)" in message
        elif name not in ("default_limits", "application_limits", "meta_limits"):
            assert repr(bad) in message


@each_option
def test_a_bad_environment_variable_is_named(name: str) -> None:
    bad = [value for value in SAMPLES[name].bad if isinstance(value, str) and value]
    for variable in {config_key(name), SAMPLES[name].environment or config_key(name)}:
        for value in bad:
            with pytest.raises(ConfigurationError, match=f"^{variable}(:| is) "):
                value_of(name, environment={variable: value})


def test_the_process_environment_is_read_when_no_other_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BASE_LIMIT", "7")
    assert resolve({}, {}).base_limit == 7


@pytest.mark.parametrize(
    ("arguments", "config", "told"),
    [
        ({"base_limt": 5}, {}, "option 'base_limt' is not known (did you mean base_limit?)"),
        ({"keyfunc": len}, {}, "option 'keyfunc' is not known (did you mean key_func?)"),
        (
            {},
            {"IRL_BASELIMIT": 5},
            "config key 'IRL_BASELIMIT' is not known (did you mean IRL_BASE_LIMIT?)",
        ),
        ({"zz": 5}, {}, "option 'zz' is not known; there are: "),
    ],
)
def test_a_misspelt_option_is_told_the_name_that_was_meant(
    arguments: dict[str, object], config: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(told)}"):
        resolve(arguments, config, {})


def test_an_unknown_option_is_refused_with_a_list_of_all() -> None:
    with pytest.raises(
        ConfigurationError, match=r"option 'base_limits' is not known.*; there are: .*base_limit"
    ):
        resolve({"base_limits": 5}, {}, {})


def test_an_unknown_config_key_is_refused_with_a_list_of_all() -> None:
    with pytest.raises(
        ConfigurationError, match=r"'IRL_BASELIMIT' is not known.*; there are: .*IRL_BASE_LIMIT"
    ):
        resolve({}, {"IRL_BASELIMIT": 5}, {})


def test_config_keys_of_other_extensions_are_ignored() -> None:
    config = {"SECRET_KEY": "x", "BASE_LIMIT": "no number", "IRL": 1}
    assert resolve({}, config, {}) == Options()


SECRET = "swordfish"


@pytest.mark.parametrize(
    "arguments",
    [
        {"admin_token": SECRET},
        {"storage_uri": f"redis://:{SECRET}@localhost"},
        {"storage_options": {"password": SECRET}},
        {"api_key_secret": [2 * SECRET]},
    ],
)
def test_no_secret_is_in_a_repr(arguments: dict[str, Any]) -> None:
    assert SECRET not in repr(resolve(arguments, {}, {}))


@pytest.mark.parametrize(
    "arguments",
    [
        {"admin_token": SECRET.encode()},
        {"storage_uri": [f"redis://:{SECRET}@localhost"]},
        {"storage_options": [("password", SECRET)]},
        {"storage_options": f"password={SECRET}"},
        {"api_key_secret": SECRET},
    ],
)
def test_no_secret_is_in_a_message(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(arguments, {}, {})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("word", "value"),
    [("TRUE", True), ("1", True), ("Yes", True), (" on ", True), ("False", False), ("0", False),
     ("no", False), ("OFF", False)],
)  # fmt: skip
def test_true_and_false_have_several_spellings(word: str, value: bool) -> None:
    assert resolve({}, {"IRL_ENABLED": word}, {}).enabled is value


def test_flask_limiters_moving_window_is_the_sliding_window_counter() -> None:
    assert resolve({"strategy": "moving-window"}, {}, {}).strategy == "sliding-window-counter"


def test_the_base_limit_has_its_window_and_a_burst_no_larger_than_itself() -> None:
    options = resolve({"base_limit": 10, "window_seconds": 30}, {}, {})
    assert options.base == Limit(10, 30)
    assert options.own_scope == Scope("", (Limit(10, 30),))
    assert dataclasses.replace(options, burst=4).base == Limit(10, 30, 4)
    assert dataclasses.replace(options, burst=40).base == Limit(10, 30, 10)


def test_a_base_limit_that_is_off_stands_by_with_its_window() -> None:
    options = resolve({"base_limit": None, "window_seconds": 30, "burst": 5}, {}, {})
    assert (options.base, options.base_at(0.3)) == (None, None)
    [standby] = options.own_scope.limits
    assert options.own_scope.standby
    assert (standby.amount, standby.window_seconds, standby.burst) == (2**31 - 1, 30, 5)


@pytest.mark.parametrize(
    ("first", "further", "factors"),
    [
        (0.3, (0.1, 0.0), (0.3, 0.1, 0.0)),
        (0.3, (), (0.3,)),
        (0.05, (0.1, 0.0), (0.05, 0.0)),
        (0.1, (0.1,), (0.1,)),
    ],
)
def test_the_steps_fall_from_the_first_factor_on(
    first: float, further: tuple[float, ...], factors: tuple[float, ...]
) -> None:
    arguments = {"anomalous_factor": first, "further_factors": further}
    assert resolve(arguments, {}, {}).factors == factors


def test_a_bad_limit_of_a_pattern_is_named_with_it() -> None:
    with pytest.raises(ConfigurationError, match=r"^IRL_LIMITS: /a: .*5/fortnight"):
        resolve({}, {"IRL_LIMITS": {"/b": "5/minute", "/a": "5/fortnight"}}, {})
