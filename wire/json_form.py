"""Messages as JSON values in Kafka's official field names, and back.

The form is that of Kafka's generated `*JsonConverter` classes: camelCase names, base64 for bytes and records, URL-safe
base64 without padding for uuids, null where the version has null; fields that the version does not carry are left out,
as are tagged fields at their default. Unknown tagged fields stand under `_unknownTaggedFields` as {tag: base64}.
"""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Any, TypeVar

from .declare import Row, Struct

UNKNOWN = "_unknownTaggedFields"

S = TypeVar("S", bound=Struct)


def uuid_text(value: bytes) -> str:
    """Kafka's text of a uuid, 22 characters."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def uuid_bytes(text: str) -> bytes:
    """The 16 bytes of Kafka's text of a uuid. Raises ValueError."""
    value = urlsafe_b64decode(text + "==")
    if len(value) != 16:
        raise ValueError(f"{text!r} is not a uuid")
    return value


def _value_to_json(row: Row, value: Any, version: int) -> Any:
    if value is None:
        return None
    if row.of is not None:
        return to_json(value, version)
    if row.type == "uuid":
        return uuid_text(value)
    if row.type in ("bytes", "records"):
        return b64encode(value).decode()
    return value


def to_json(struct: Struct, version: int) -> dict[str, Any]:
    """A struct at a version as JSON values (dict, list, str, int, float, bool, None)."""
    shown: dict[str, Any] = {}
    for row in struct.ROWS:
        if version not in row.versions:
            continue
        value = getattr(struct, row.name)
        if version in row.tagged and value == struct.default_of(row):
            continue
        if row.array and value is not None:
            shown[row.json_name] = [_value_to_json(row, item, version) for item in value]
        else:
            shown[row.json_name] = _value_to_json(row, value, version)
    if struct.unknown_tagged_fields:
        shown[UNKNOWN] = {str(tag): b64encode(data).decode() for tag, data in struct.unknown_tagged_fields.items()}
    return shown


def _value_from_json(row: Row, value: Any, version: int) -> Any:
    if value is None:
        return None
    if row.of is not None:
        return from_json(row.of, value, version)
    if row.type == "uuid":
        return uuid_bytes(value)
    if row.type in ("bytes", "records"):
        return b64decode(value)
    return value


def from_json(struct: type[S], value: dict[str, Any], version: int) -> S:
    """The struct that `to_json` showed; what is left out has its default.

    Raises ValueError for a name that the version does not have, and for a value that is not of the field's form.
    Whether a number or a null fits is seen when the struct is encoded.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not an object")
    fields: dict[str, Any] = {}
    left = dict(value)
    for row in struct.ROWS:
        if version not in row.versions or row.json_name not in left:
            continue
        item = left.pop(row.json_name)
        try:
            if row.array and item is not None:
                if not isinstance(item, list):
                    raise ValueError(f"{item!r} is not an array")
                fields[row.name] = [_value_from_json(row, element, version) for element in item]
            else:
                fields[row.name] = _value_from_json(row, item, version)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{row.json_name}: {error}") from None
    unknown = {int(tag): b64decode(data) for tag, data in left.pop(UNKNOWN, {}).items()}
    if left:
        raise ValueError(f"{struct.__name__} v{version} has no field {next(iter(left))!r}")
    return struct(**fields, unknown_tagged_fields=unknown or None)
