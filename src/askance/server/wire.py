"""Slices on the wire: a length, a JSON header, bytes. What comes in is bounded before it is unpacked."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import AnswerError

MAX_BODY = 8 * 2**20
_MAX_HEADER = 65_536


def pack(header: Mapping[str, Any], sections: Mapping[str, bytes]) -> bytes:
    """The header with a ``sections`` entry (name -> offset after the header, length), and the sections after it."""
    places, offset = {}, 0
    for name, data in sections.items():
        places[name] = [offset, len(data)]
        offset += len(data)
    text = json.dumps({**header, "sections": places}, allow_nan=False).encode()
    text += b" " * (-len(text) % 8)  # sections start at a multiple of four, for typed arrays
    return b"".join([len(text).to_bytes(4, "little"), b"\0" * 4, text, *sections.values()])


def unpack_planes(body: bytes, shape: tuple[int, int], depth: int) -> tuple[dict[str, Any], dict[int, NDArray[np.uint8]]]:
    """The header of an upload and its planes by slice index, as displayed: columns fastest, ``shape`` (columns, rows).

    No more are unpacked than the case has, which is ``depth``.

    The body is a length of four bytes, a JSON header whose ``planes`` lists slice indices, and the planes' bytes as gzip.

    Raises:
        AnswerError: anything else, or planes of another size.
    """
    header, data = _header_of(body)
    indices = header.get("planes")
    if not isinstance(indices, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in indices):
        raise AnswerError("the upload lists no planes; wanted slice indices in its header")
    if len(set(indices)) != len(indices) or len(indices) > depth:
        raise AnswerError(f"the upload lists {len(indices)} planes; wanted each once, and at most the case's {depth}")
    size = shape[0] * shape[1]
    raw = gunzip(data, size * len(indices))
    planes = np.frombuffer(raw, np.uint8).reshape(len(indices), shape[1], shape[0]).transpose(0, 2, 1)
    return header, dict(zip(indices, planes, strict=True))


def gunzip(data: bytes, size: int) -> bytes:
    """The ``size`` bytes that ``data`` unpacks to; no more is ever unpacked.

    Raises:
        AnswerError: it is no gzip, or unpacks to fewer or more.
    """
    unpacker = zlib.decompressobj(wbits=31)
    try:
        raw = unpacker.decompress(data, size + 1)
    except zlib.error:
        raise AnswerError("the upload is damaged: it is no gzip") from None
    if len(raw) != size or not unpacker.eof:
        raise AnswerError(f"the upload does not unpack to the {size} pixels of the slices that it lists")
    return raw


def _header_of(body: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(body[:4], "little")
    if len(body) < 4 or length > min(_MAX_HEADER, len(body) - 4):
        raise AnswerError("the upload is damaged: its header does not end")
    try:
        header = json.loads(body[4 : 4 + length])
    except (ValueError, RecursionError):
        raise AnswerError("the upload is damaged: its header is no JSON") from None
    if not isinstance(header, dict):
        raise AnswerError("the upload is damaged: its header is no object")
    return header, body[4 + length :]
