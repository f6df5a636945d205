"""Encode and decode any declared message: the way in to the compiled codecs.

A codec is compiled at its first use, kept in memory, and costs nothing before that; construct is not even imported
until then. All failures are one of two errors that name the message, the version, the field and, when decoding, the
byte position.
"""

from __future__ import annotations

import struct
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .declare import Message

if TYPE_CHECKING:
    from .compiler import Compiled

M = TypeVar("M", bound=Message)


class CodecError(ValueError):
    """`message`: the class's name; `version`; `path`: the field, such as `topics[2].name`; `reason`."""

    def __init__(self, message: str, version: int, path: str, reason: str, place: str = "") -> None:
        super().__init__(f"{message} v{version}{': ' + path if path else ''}{place}: {reason}")
        self.message = message
        self.version = version
        self.path = path
        self.reason = reason


class DecodeError(CodecError):
    """Bytes that are not such a message. `position`: the byte in the buffer at which reading stopped."""

    def __init__(self, message: str, version: int, path: str, position: int, reason: str) -> None:
        super().__init__(message, version, path, reason, f" at byte {position}")
        self.position = position


class EncodeError(CodecError):
    """A value that the version cannot carry."""


#: What compiled code raises on bytes or values that do not fit; all else is a fault of klamm and goes through.
DECODE_FAILURES = (ValueError, IndexError, struct.error)
ENCODE_FAILURES = (ValueError, TypeError, AttributeError, struct.error)

_decoders: dict[tuple[type[Message], int], Compiled] = {}
_encoders: dict[tuple[type[Message], int], Compiled] = {}


def compiled_decoder(message: type[Message], version: int) -> Compiled:
    """The compiled decoder, made now if need be. Raises ValueError for a version that Kafka never had."""
    found = _decoders.get((message, version))
    if found is None:
        from .compiler import MAX_ELEMENTS, MAX_REQUEST_ELEMENTS, compile_decoder
        from .schema import schema

        limit = MAX_REQUEST_ELEMENTS if message.KIND == "request" else MAX_ELEMENTS
        found = _decoders[message, version] = compile_decoder(schema(message, version), limit)
    return found


def compiled_encoder(message: type[Message], version: int) -> Compiled:
    """The compiled encoder, made now if need be. Raises ValueError for a version that Kafka never had."""
    found = _encoders.get((message, version))
    if found is None:
        from .compiler import compile_encoder
        from .schema import schema

        found = _encoders[message, version] = compile_encoder(schema(message, version))
    return found


def decode_from(message: type[M], version: int, data: bytes | bytearray, position: int = 0) -> tuple[M, int]:
    """The message that begins at `position`, and the position behind it.

    Records are read-only views of `data`, which must not change while they are used. Raises DecodeError.
    """
    compiled = _decoders.get((message, version)) or compiled_decoder(message, version)
    try:
        found: tuple[M, int] = compiled.run(data, position)
    except DECODE_FAILURES as error:
        path, stopped = _blame(compiled, error.__traceback__)
        raise DecodeError(message.__name__, version, path, stopped, _reason(error)) from error
    return found


def decode(message: type[M], version: int, data: bytes | bytearray | memoryview) -> M:
    """The message that `data` holds, which must be all of it. Raises DecodeError."""
    if isinstance(data, memoryview):
        data = bytes(data)
    found, end = decode_from(message, version, data)
    if end != len(data):
        raise DecodeError(message.__name__, version, "", end, f"{len(data) - end} bytes behind the message")
    return found


def encode_parts(message: Message, version: int, parts: list[Any]) -> None:
    """Append the message to `parts` in pieces: bytes, and where a `records` field holds something else than bytes
    (a file range) that object itself, whose `len()` was written as its length. Raises EncodeError."""
    compiled = _encoders.get((type(message), version)) or compiled_encoder(type(message), version)
    try:
        compiled.run(message, parts.append)
    except ENCODE_FAILURES as error:
        path, _ = _blame(compiled, error.__traceback__)
        raise EncodeError(type(message).__name__, version, path, _reason(error)) from error


def encode(message: Message, version: int) -> bytes:
    """The message's bytes. Raises EncodeError."""
    parts: list[bytes] = []
    encode_parts(message, version, parts)
    return b"".join(parts)


def _reason(error: Exception) -> str:
    return "the bytes end too soon" if isinstance(error, IndexError) else str(error)


def _blame(compiled: Compiled, traceback: TracebackType | None) -> tuple[str, int]:
    """The field path and position at which compiled code failed, from the line and the variables of its frame."""
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == compiled.filename:
            names = traceback.tb_frame.f_locals
            path = compiled.paths[traceback.tb_lineno - 1]
            # A list grows by its finished elements, so its length is the index of the one that failed.
            path = path.format_map({name: len(value) for name, value in names.items() if isinstance(value, list)})
            return path, names.get("p", 0)
        traceback = traceback.tb_next
    return "", 0
