"""Test the container of arrays and JSON."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.container import pack, unpack

DTYPES = st.sampled_from(["i1", "u1", "<i2", ">i2", "<u4", "<i8", "<u8", "<f4", ">f4", "<f8"])
ARRAYS = st.dictionaries(
    st.text(max_size=5),
    hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    max_size=3,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
META = st.dictionaries(st.text(), JSON, max_size=4)
SAMPLE = pack({"a": [1, 2.5, None]}, {"x": np.arange(6.0).reshape(2, 3), "y": np.arange(3)})


def sealed(header: object, payload: bytes = b"", *, header_length: int | None = None) -> bytes:
    """Put a right checksum around any header and payload."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(text) if header_length is None else header_length
    body = struct.pack("<4sIQ", b"IRLB", 1, length) + text
    body += b"\0" * (-len(body) % 8) + payload
    return body + hashlib.sha256(body).digest()


def with_array(**changed: Any) -> bytes:
    """Make a container of the array [1, 2], in which the ``changed`` members are wrong."""
    entry = {"name": "x", "dtype": "<f8", "shape": [2], "offset": 0, **changed}
    return sealed({"meta": {}, "arrays": [entry]}, np.array([1.0, 2.0]).tobytes())


@given(META, ARRAYS)
def test_unpack_returns_what_was_packed(
    meta: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> None:
    got_meta, got_arrays = unpack(pack(meta, arrays))
    assert got_meta == meta
    assert set(got_arrays) == set(arrays)
    for name, array in arrays.items():
        assert got_arrays[name].dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(got_arrays[name], array, strict=False)
        assert got_arrays[name].shape == array.shape


def test_arrays_come_back_read_only() -> None:
    for array in unpack(SAMPLE)[1].values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_same_content_gives_same_bytes() -> None:
    one, two = np.arange(3), np.arange(4.0)
    assert pack({"a": 1, "b": 2}, {"x": one, "y": two}) == pack(
        {"b": 2, "a": 1}, {"y": two, "x": one}
    )


def test_non_contiguous_arrays_keep_their_order() -> None:
    array = np.arange(12).reshape(3, 4).T[::2]
    np.testing.assert_array_equal(unpack(pack({}, {"x": array}))[1]["x"], array)


@given(st.integers(0, len(SAMPLE) - 1))
def test_truncation_is_refused(length: int) -> None:
    with pytest.raises(ModelError, match="container"):
        unpack(SAMPLE[:length])


@given(st.integers(0, len(SAMPLE) * 8 - 1))
def test_a_flipped_bit_is_refused(bit: int) -> None:
    damaged = bytearray(SAMPLE)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ModelError):
        unpack(bytes(damaged))


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(ModelError):
        unpack(noise)


@given(st.binary(max_size=200), st.binary(max_size=64), st.integers(0, 2**64 - 1))
def test_a_forged_checksum_around_noise_is_refused(
    header: bytes, payload: bytes, length: int
) -> None:
    with pytest.raises(ModelError):
        unpack(sealed(header, payload, header_length=length))


@given(JSON, st.binary(max_size=32))
def test_a_forged_manifest_is_refused_or_harmless(entry: Any, payload: bytes) -> None:
    try:
        _, arrays = unpack(sealed({"meta": {}, "arrays": [entry]}, payload))
    except ModelError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(payload)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"dtype": "|O"}, "allowed are"),
        ({"dtype": ">f8"}, "allowed are"),
        ({"dtype": ["<f8"]}, "allowed are"),
        ({"dtype": "<f4"}, "end at byte"),
        ({"shape": [3]}, "too small"),
        ({"shape": [2**62, 2**62]}, "damaged"),
        ({"shape": [-2]}, "negative"),
        ({"shape": [2.0]}, "float"),
        ({"shape": "2"}, "str"),
        ({"shape": 2}, "int"),
        ({"shape": [1] * 100 + [2]}, "dimension"),
        ({"shape": [0, 2**62, 2**62]}, "damaged"),
        ({"shape": [0, 2**80]}, "damaged"),
        ({"offset": -8}, "at offset 0"),
        ({"offset": 8}, "at offset 0"),
        ({"offset": None}, "at offset 0"),
        ({"name": 3}, "no array can be"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        unpack(with_array(**changed))


def test_overlapping_arrays_are_refused() -> None:
    entry = {"dtype": "<f8", "shape": [2], "offset": 0}
    header = {"meta": {}, "arrays": [{"name": "x", **entry}, {"name": "y", **entry}]}
    with pytest.raises(ModelError, match=r"'y'.* at offset 16"):
        unpack(sealed(header, bytes(32)))


def test_a_name_listed_twice_is_refused() -> None:
    entry = {"name": "x", "dtype": "<f8", "shape": [1]}
    header = {"meta": {}, "arrays": [{**entry, "offset": 0}, {**entry, "offset": 8}]}
    with pytest.raises(ModelError, match=r"no array can be.* at offset 8"):
        unpack(sealed(header, bytes(16)))


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b'{"meta": {}}',
        b'{"meta": [], "arrays": []}',
        b'{"meta": {}, "arrays": {}}',
        b'{"meta": {"a": NaN}, "arrays": []}',
        b'{"meta": {"a": 1e999}, "arrays": []}',
        b'{"meta": {"a": ' + b"[" * 100_000 + b"}",
        b"\xff\xfe",
    ],
)
def test_a_wrong_header_is_refused(header: bytes) -> None:
    with pytest.raises(ModelError, match="damaged container"):
        unpack(sealed(header))


def test_another_format_version_is_named() -> None:
    body = struct.pack("<4sIQ", b"IRLB", 7, 0)
    with pytest.raises(ModelError, match=r"format 7 .* reads format 1"):
        unpack(body + hashlib.sha256(body).digest())


def test_a_container_of_an_earlier_release_is_read() -> None:
    # Bytes as version 0.1.0 wrote them: workers of both versions share one model.
    header = b'{"arrays":[{"dtype":"<i2","name":"n","offset":0,"shape":[3]}],"meta":{"a":1}}'
    prefix = b"IRLB\x01\x00\x00\x00" + len(header).to_bytes(8, "little")
    body = prefix + header + bytes(-(len(prefix) + len(header)) % 8)
    body += np.array([1, 2, 3], "<i2").tobytes() + bytes(2)
    container = body + hashlib.sha256(body).digest()
    meta, arrays = unpack(container)
    assert (meta, arrays["n"].tolist()) == ({"a": 1}, [1, 2, 3])
    assert pack(meta, arrays) == container


def test_foreign_data_is_named() -> None:
    with pytest.raises(ModelError, match="not a flask_irl container"):
        unpack(b"\x80\x04\x95" + bytes(100))


def test_too_much_data_is_refused_unread() -> None:
    with pytest.raises(ModelError, match=f"{len(SAMPLE)} bytes, more than the 100"):
        unpack(SAMPLE, max_bytes=100)


@pytest.mark.parametrize(
    "array",
    [np.array([object()]), np.array(["a"]), np.array([1j]), np.array([True]), np.zeros(1, "f2")],
)
def test_arrays_of_other_dtypes_are_not_packed(array: NDArray[Any]) -> None:
    with pytest.raises(ModelError, match=f"'x' has dtype {array.dtype}"):
        pack({}, {"x": array})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2, "a": 3}, b"bytes"])
def test_what_json_cannot_say_is_not_packed(value: object) -> None:
    with pytest.raises(ModelError, match="JSON"):
        pack({"a": value}, {})
