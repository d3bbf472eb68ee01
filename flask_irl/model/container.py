"""One container for numpy arrays and JSON: models in a store, requests to the training process.

Layout, all integers little-endian::

    4 bytes   magic b"IRLB"
    2 bytes   format version
    2 bytes   reserved, zero
    8 bytes   length of the header
    header    JSON, UTF-8: {"arrays": [{"name", "dtype", "shape", "offset"}, ...], "meta": {...}}
    padding   zeros up to a multiple of 8
    payload   the arrays in C order, each at a multiple of 8, in the order of the header
    32 bytes  SHA-256 of everything before

The checksum finds damage, not malice: whoever can write the store can compute one. So every
number of the header is checked as well, and nothing that is read is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError

MAGIC = b"IRLB"
FORMAT_VERSION = 1
MAX_BYTES = 64 * 1024 * 1024

_PREFIX = struct.Struct("<4sHHQ")
_CHECKSUM_BYTES = 32
_ALIGNMENT = 8
_MAX_DIMENSIONS = 8
_DTYPES = {
    code: np.dtype(code)
    for code in ("|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")
}


def pack(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Put JSON-able ``meta`` and ``arrays`` into one byte string.

    Args:
        meta: Anything the ``json`` module can write, without NaN and infinities. Tuples come back
            as lists, and keys of mappings as strings.
        arrays: Integer and float arrays of 1 to 8 bytes per item (no float16), of any byte order.

    Returns:
        The container; the same content always gives the same bytes.

    Raises:
        ModelError: ``meta`` is not JSON-able or an array has another dtype.
    """
    manifest: list[dict[str, Any]] = []
    chunks: list[bytes] = []
    offset = 0
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        code = array.dtype.newbyteorder("<").str
        if code not in _DTYPES or array.ndim > _MAX_DIMENSIONS:
            raise ModelError(
                f"array {name!r} has dtype {array.dtype} and {array.ndim} dimensions; allowed are "
                f"{', '.join(_DTYPES)} and at most {_MAX_DIMENSIONS} dimensions"
            )
        raw = array.astype(_DTYPES[code], copy=False).tobytes(order="C")
        manifest.append({"name": name, "dtype": code, "shape": list(array.shape), "offset": offset})
        chunks += (raw, _padding(len(raw)))
        offset = _aligned(offset + len(raw))
    try:
        text = json.dumps(
            {"arrays": manifest, "meta": dict(meta)},
            allow_nan=False,
            separators=(",", ":"),
            sort_keys=True,
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"the description of the data can't be written as JSON: {error}") from None
    header = text.encode("utf-8")
    prefix = _PREFIX.pack(MAGIC, FORMAT_VERSION, 0, len(header))
    body = b"".join((prefix, header, _padding(len(prefix) + len(header)), *chunks))
    return body + hashlib.sha256(body).digest()


def unpack(
    data: bytes, *, max_bytes: int = MAX_BYTES
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Take a container made by :func:`pack` apart.

    Args:
        data: The container, from whatever source.
        max_bytes: A longer container is refused unread.

    Returns:
        The meta data and the arrays; the arrays are read-only.

    Raises:
        ModelError: The container is damaged, foreign, too large or inconsistent; says which.
    """
    body = _checked_body(bytes(data), max_bytes)
    header_length = _PREFIX.unpack_from(body)[3]
    header_end = _PREFIX.size + header_length
    payload_start = _aligned(header_end)
    if payload_start > len(body):
        raise ModelError(
            f"damaged container: a header of {header_length} bytes in a body of {len(body)}"
        )
    if body[header_end:payload_start].strip(b"\0"):
        raise ModelError("damaged container: the padding after the header is not zero")
    meta, manifest = _read_header(body[_PREFIX.size : header_end])
    arrays: dict[str, NDArray[Any]] = {}
    expected = 0
    for entry in manifest:
        name, dtype, shape = _read_entry(entry, len(body) - payload_start, expected)
        if name in arrays:
            raise ModelError(f"damaged container: array {name!r} is listed twice")
        count = math.prod(shape)
        start = payload_start + expected
        end = start + count * dtype.itemsize
        expected = _aligned(end - payload_start)
        if payload_start + expected > len(body):
            raise ModelError(f"damaged container: array {name!r} ends at byte {end} of {len(body)}")
        # frombuffer refuses an empty buffer.
        flat = np.frombuffer(body[start:end], dtype=dtype) if count else np.empty(0, dtype=dtype)
        flat.setflags(write=False)
        try:
            arrays[name] = flat.reshape(shape)
        except (ValueError, OverflowError):  # lengths beside a zero are free to be absurd
            raise ModelError(f"array {name!r} has the impossible shape {shape!r:.100}") from None
    if payload_start + expected != len(body):
        raise ModelError(
            f"damaged container: {len(body) - payload_start - expected} bytes belong to no array"
        )
    return meta, arrays


def _checked_body(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise ModelError(
            f"the container has {len(data)} bytes, more than the {max_bytes} that are allowed"
        )
    if not data.startswith(MAGIC):
        raise ModelError(
            f"not a flask_irl container: it starts with {data[:4]!r} instead of {MAGIC!r}"
        )
    if len(data) < _PREFIX.size + _CHECKSUM_BYTES:
        raise ModelError(f"damaged container: cut off after {len(data)} bytes")
    _, version, reserved, _ = _PREFIX.unpack_from(data)
    if version != FORMAT_VERSION or reserved:
        raise ModelError(
            f"container format {version} (reserved {reserved}) is unknown; "
            f"this version of flask_irl reads format {FORMAT_VERSION}"
        )
    body = data[:-_CHECKSUM_BYTES]
    if hashlib.sha256(body).digest() != data[-_CHECKSUM_BYTES:]:
        raise ModelError("damaged container: the checksum does not match")
    return body


def _read_header(raw: bytes) -> tuple[dict[str, Any], list[Any]]:
    try:
        header = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"damaged container: the header is not JSON: {error}") from None
    if not isinstance(header, dict) or set(header) != {"arrays", "meta"}:
        raise ModelError("damaged container: the header must have the members arrays and meta")
    meta, manifest = header["meta"], header["arrays"]
    if not isinstance(meta, dict) or not isinstance(manifest, list):
        raise ModelError("damaged container: meta must be an object and arrays a list")
    return meta, manifest


def _read_entry(
    entry: Any, available: int, expected_offset: int
) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    if not isinstance(entry, dict) or set(entry) != {"name", "dtype", "shape", "offset"}:
        raise ModelError(
            f"damaged container: an array needs name, dtype, shape and offset, not {entry!r:.100}"
        )
    name, code, shape, offset = entry["name"], entry["dtype"], entry["shape"], entry["offset"]
    if not isinstance(name, str):
        raise ModelError(f"damaged container: {name!r:.100} is no name of an array")
    if not isinstance(code, str) or code not in _DTYPES:
        raise ModelError(
            f"array {name!r} has dtype {code!r:.100}; allowed are {', '.join(_DTYPES)}"
        )
    dtype = _DTYPES[code]
    if (
        not isinstance(shape, list)
        or len(shape) > _MAX_DIMENSIONS
        or not all(type(length) is int and length >= 0 for length in shape)
        or math.prod(shape) * dtype.itemsize > available
    ):
        raise ModelError(
            f"array {name!r} has the shape {shape!r:.100}, which {available} bytes can't hold"
        )
    # No gaps, no overlaps, no other order: there is only one right offset.
    if type(offset) is not int or offset != expected_offset:
        raise ModelError(
            f"array {name!r} is said to be at offset {offset!r:.100} instead of {expected_offset}"
        )
    return name, dtype, tuple(shape)


def _aligned(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def _padding(length: int) -> bytes:
    return b"\0" * (_aligned(length) - length)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not allowed")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.100} is out of range")
    return number
