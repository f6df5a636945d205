"""Encode and decode any declared message: the way in to the compiled codecs.

A codec is compiled at its first use, kept in memory, and costs nothing before that; construct is not even imported
until then. All failures are one of two errors that name the message, the version, the field and, when decoding, the
byte position.
"""

from __future__ import annotations

import struct
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
ENCODE_FAILURES = (ValueError, TypeError, AttributeError, OverflowError, struct.error)

_decoders: dict[tuple[type[Message], int], Compiled] = {}
_encoders: dict[tuple[type[Message], int], Compiled] = {}


def compiled_decoder(message: type[Message], version: int) -> Compiled:
    """The compiled decoder, made now if need be. Raises ValueError for a version that Kafka never had."""
    found = _decoders.get((message, version))
    if found is None:
        from .compile_decoder import compile_decoder
        from .compiler import MAX_OBJECTS, MAX_REQUEST_OBJECTS
        from .schema import schema

        limit = MAX_REQUEST_OBJECTS if message.KIND == "request" else MAX_OBJECTS
        found = _decoders[message, version] = compile_decoder(schema(message, version), limit)
    return found


def compiled_encoder(message: type[Message], version: int) -> Compiled:
    """The compiled encoder, made now if need be. Raises ValueError for a version that Kafka never had."""
    found = _encoders.get((message, version))
    if found is None:
        from .compile_encoder import compile_encoder
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
        raise decode_error(message, version, error) from error
    return found


def decode_error(message: type[Message], version: int, error: Exception) -> DecodeError:
    """What `error`, one of DECODE_FAILURES that the message's compiled decoder raised, says of the field and the byte;
    for who calls compiled decoders itself."""
    from .blame import blame_decoder

    blame = blame_decoder(compiled_decoder(message, version), error)
    return DecodeError(message.__name__, version, blame.path, blame.position, blame.reason)


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
        raise _encode_error(compiled, message, version, error) from error


def encode(message: Message, version: int) -> bytes:
    """The message's bytes. Raises EncodeError."""
    parts: list[bytes] = []
    encode_parts(message, version, parts)
    try:
        return b"".join(parts)
    except TypeError:
        from .blame import refuse_text

        compiled = compiled_encoder(type(message), version)
        try:
            compiled.run(message, refuse_text)
        except ENCODE_FAILURES as error:
            raise _encode_error(compiled, message, version, error) from error
        raise


def _encode_error(compiled: Compiled, message: Message, version: int, error: Exception) -> EncodeError:
    from .blame import blame_encoder

    blame = blame_encoder(compiled, error)
    return EncodeError(type(message).__name__, version, blame.path, blame.reason)
