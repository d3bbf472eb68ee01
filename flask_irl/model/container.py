"""Pack numpy arrays and JSON in one checked byte string, and read it back without pickle.

Models lie in the store in this form, and a training process gets and gives its data in it. All
integers are little-endian::

    4 bytes   magic b"IRLB"
    4 bytes   format version
    8 bytes   length of the header
    header    JSON, UTF-8: {"arrays": [{"name", "dtype", "shape", "offset"}, ...], "meta": {...}}
    padding   zeros up to a multiple of 8
    payload   the arrays in C order, each at a multiple of 8, in the order of the header
    32 bytes  SHA-256 of everything before

The checksum finds damage, not malice: a program that can write the store can compute one. So numpy
checks each array against the payload, and nothing that is read is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError

MAGIC: Final = b"IRLB"
FORMAT_VERSION: Final = 1
MAX_BYTES: Final = 64 * 1024 * 1024

_PREFIX: Final = struct.Struct("<4sIQ")
_CHECKSUM_BYTES: Final = 32
_DTYPES: Final = ("|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")


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
    payload = b""
    for name, array in sorted(arrays.items()):
        dtype = array.dtype.newbyteorder("<")
        if dtype.str not in _DTYPES:
            raise ModelError(
                f"array {name!r} has dtype {array.dtype}; allowed are {', '.join(_DTYPES)}"
            )
        entry = {"name": name, "dtype": dtype.str, "shape": list(array.shape)}
        manifest.append({**entry, "offset": len(payload)})
        payload += _padded(array.astype(dtype, copy=False).tobytes(order="C"))
    try:
        text = json.dumps(
            {"arrays": manifest, "meta": dict(meta)},
            allow_nan=False,
            separators=(",", ":"),
            sort_keys=True,
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"the description of the data can't be written as JSON: {error}") from None
    header = text.encode()
    prefix = _PREFIX.pack(MAGIC, FORMAT_VERSION, len(header))
    body = _padded(prefix + header) + payload
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
    if len(data) > max_bytes:
        raise ModelError(
            f"the container has {len(data)} bytes, more than the {max_bytes} that are allowed"
        )
    body, end = _body(bytes(data))
    try:
        header = json.loads(
            bytes(body[_PREFIX.size : end]), parse_constant=_finite, parse_float=_finite
        )
        meta, manifest = header["meta"], header["arrays"]
        if not isinstance(meta, dict) or not isinstance(manifest, list):
            raise ValueError("meta must be an object and arrays a list")
        return meta, _arrays(body, _aligned(end), manifest)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ModelError(f"damaged container: its header is wrong: {reason:.300}") from None


def _body(data: bytes) -> tuple[memoryview, int]:
    """Check a container's frame; give it without the checksum, and the end of its header."""
    if not data.startswith(MAGIC):
        raise ModelError(
            f"not a flask_irl container: it starts with {data[:4]!r} instead of {MAGIC!r}"
        )
    if len(data) < _PREFIX.size + _CHECKSUM_BYTES:
        raise ModelError(f"damaged container: cut off after {len(data)} bytes")
    _, version, header_length = _PREFIX.unpack_from(data)
    if version != FORMAT_VERSION:
        raise ModelError(
            f"container format {version} is unknown; "
            f"this version of flask_irl reads format {FORMAT_VERSION}"
        )
    # No copy: each worker would keep its memory.
    body = memoryview(data)[:-_CHECKSUM_BYTES]
    if hashlib.sha256(body).digest() != data[-_CHECKSUM_BYTES:]:
        raise ModelError("damaged container: the checksum does not match")
    return body, _PREFIX.size + header_length


def _arrays(body: memoryview, start: int, manifest: list[Any]) -> dict[str, NDArray[Any]]:
    """Read the arrays from ``start`` on, one right behind the other to the end of the body."""
    arrays: dict[str, NDArray[Any]] = {}
    place = start
    for entry in manifest:
        name, code, offset = entry["name"], entry["dtype"], entry["offset"]
        # No gaps, no overlaps, no other order: there is only one right offset.
        if not isinstance(name, str) or name in arrays or offset != place - start:
            raise ValueError(f"no array can be {entry!r:.100} at offset {place - start}")
        if code not in _DTYPES:
            raise ValueError(f"dtype {code!r:.100}; allowed are {', '.join(_DTYPES)}")
        # Takes a view of immutable bytes, or raises if the shape is impossible or too large.
        arrays[name] = np.ndarray(tuple(entry["shape"]), code, body, place)
        place = _aligned(place + arrays[name].nbytes)
    if place != len(body):
        raise ValueError(f"the arrays end at byte {place} of {len(body)}")
    return arrays


def _aligned(length: int) -> int:
    return -(-length // 8) * 8


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (_aligned(len(part)) - len(part))


def _finite(text: str) -> float:
    """Read a number of JSON; Python's reader would take NaN and infinities too."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.100} is no finite number")
    return number
