"""The vocabulary in which every message is declared once.

A message is a class whose attributes are *rows*: Kafka's field in snake_case, its type, the versions that carry it,
and where they apply the versions in which it may be null, its tag, its default.

    class Heartbeat(Struct):
        name: str | None = string("0+", nullable="2+", default=None)

The rows are the one source: the construct schema (`schema.py`), the codecs (`compile_decoder.py`,
`compile_encoder.py`), the JSON form (`json_form.py`) and what `klamm wire show` prints are made from them. The words
follow Kafka's message JSON (`clients/src/main/resources/common/message/README.md` of Apache Kafka): `versions` is
`a+`, `a-b`, `a` or `none`.

Instances are plain slotted objects. Arguments are keywords; what is left out has its default. A struct or array that
is a default must not be changed in place by others than its owner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, dataclass_transform

#: "No argument was given": None is a value of its own on the wire.
UNSET: Final[Any] = type("Unset", (), {"__repr__": lambda self: "UNSET", "__slots__": ()})()

#: What a `records` field holds: bytes or a read-only memoryview when decoded; to encode also any object with a length
#: that the transport knows how to send, such as a file range.
RecordBytes: TypeAlias = Any

#: Kafka's zero uuid: absent.
ZERO_UUID: Final = bytes(16)

#: The highest version a range can name; `a+` ends here.
MAX_VERSION: Final = 32767


def version_range(text: str) -> range:
    """`"3+"`, `"3-7"`, `"3"` or `"none"` as a range of versions."""
    if text == "none":
        return range(0)
    if text.endswith("+"):
        return range(int(text[:-1]), MAX_VERSION + 1)
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


class Row:
    """One field of a struct, for all its versions.

    `type` is one of the names in `TYPE_DEFAULTS`, or "struct"; `array` says that it is an array of it; `of` is the
    struct's class. `flexible` overrides the message's flexible versions (the request header's client id only).
    """

    __slots__ = (
        "array",
        "default",
        "default_factory",
        "flexible",
        "ignorable",
        "kafka_name",
        "map_key",
        "name",
        "nullable",
        "of",
        "tag",
        "tagged",
        "type",
        "versions",
    )

    def __init__(
        self,
        type: str,
        versions: str,
        nullable: str = "none",
        *,
        default: Any = UNSET,
        default_factory: Callable[[], Any] | None = None,
        ignorable: bool = False,
        tag: int | None = None,
        tagged: str | None = None,
        array: bool = False,
        of: type[Struct] | None = None,
        map_key: bool = False,
        flexible: str | None = None,
        kafka_name: str | None = None,
    ) -> None:
        self.name = ""  # the attribute's name, set by the class
        self.type = type
        self.versions = version_range(versions)
        self.nullable = version_range(nullable)
        self.default = default
        self.default_factory = default_factory
        self.ignorable = ignorable
        self.tag = tag
        self.tagged = version_range(tagged if tagged is not None else versions if tag is not None else "none")
        self.array = array
        self.of = of
        self.map_key = map_key
        self.flexible = flexible
        self.kafka_name = kafka_name

    def default_value(self) -> Any:
        """The value of a field that was not given; a fresh object where it is a list or a struct."""
        if self.default is not UNSET:
            return self.default
        if self.default_factory is not None:
            return self.default_factory()
        if self.array:
            return []
        if self.of is not None:
            return self.of()
        return TYPE_DEFAULTS[self.type]

    @property
    def json_name(self) -> str:
        """Kafka's own name as it stands in JSON: camelCase."""
        name = self.kafka_name or "".join(word.capitalize() for word in self.name.split("_"))
        return name[0].lower() + name[1:]


TYPE_DEFAULTS: Final[dict[str, Any]] = {
    "bool": False,
    "int8": 0,
    "int16": 0,
    "uint16": 0,
    "int32": 0,
    "uint32": 0,
    "int64": 0,
    "float64": 0.0,
    "uuid": ZERO_UUID,
    "string": "",
    "bytes": b"",
    "records": None,
}


def int8(versions: str, **more: Any) -> Any:
    return Row("int8", versions, **more)


def int16(versions: str, **more: Any) -> Any:
    return Row("int16", versions, **more)


def uint16(versions: str, **more: Any) -> Any:
    return Row("uint16", versions, **more)


def int32(versions: str, **more: Any) -> Any:
    return Row("int32", versions, **more)


def uint32(versions: str, **more: Any) -> Any:
    return Row("uint32", versions, **more)


def int64(versions: str, **more: Any) -> Any:
    return Row("int64", versions, **more)


def float64(versions: str, **more: Any) -> Any:
    return Row("float64", versions, **more)


def boolean(versions: str, **more: Any) -> Any:
    return Row("bool", versions, **more)


def uuid(versions: str, **more: Any) -> Any:
    """16 bytes, most significant first; all zero where Kafka has none."""
    return Row("uuid", versions, **more)


def string(versions: str, **more: Any) -> Any:
    return Row("string", versions, **more)


def bytes_(versions: str, **more: Any) -> Any:
    return Row("bytes", versions, **more)


def records_(versions: str, **more: Any) -> Any:
    """Record batches, opaque here. Decoded to a read-only memoryview; encoded from bytes or any object with a length
    (a file range) that the transport knows how to send (`codec.encode_parts`)."""
    return Row("records", versions, **more)


def struct(of: type[Struct], versions: str, **more: Any) -> Any:
    return Row("struct", versions, of=of, **more)


def array(of: type[Struct] | str, versions: str, **more: Any) -> Any:
    """An array of structs (a class) or of a plain type (its name)."""
    if isinstance(of, str):
        return Row(of, versions, array=True, **more)
    return Row("struct", versions, array=True, of=of, **more)


def _make_init(cls: type[Struct]) -> Any:
    """`__init__` with one keyword a row, as straight-line code; made when the class is first instantiated."""
    parameters, body, scope = [], [], {"UNSET": UNSET}
    for row in cls.ROWS:
        if row.array and row.default is UNSET:
            parameters.append(f"{row.name}=UNSET")
            body.append(f"    self.{row.name} = [] if {row.name} is UNSET else {row.name}")
        else:
            # A default struct is shared: the encoder knows it by identity and leaves its tag out without a comparison.
            scope[f"default_{row.name}"] = cls.default_of(row)
            parameters.append(f"{row.name}=default_{row.name}")
            body.append(f"    self.{row.name} = {row.name}")
    parameters.append("unknown_tagged_fields=None")
    body.append("    self.unknown_tagged_fields = unknown_tagged_fields")
    source = f"def __init__(self, *, {', '.join(parameters)}):\n" + "\n".join(body)
    exec(source, scope)
    return scope["__init__"]


# Without field specifiers a type checker takes every row for a default, which is what it is: no field must be given.
@dataclass_transform(kw_only_default=True)
class DeclaredMeta(type):
    """Turns the rows of a class body into slots."""

    def __new__(mcls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> DeclaredMeta:
        rows = []
        for key, value in list(body.items()):
            if isinstance(value, Row):
                value.name = key
                rows.append(value)
                del body[key]
        if bases:
            body["__slots__"] = tuple(row.name for row in rows)
            body["ROWS"] = tuple(rows)
        return super().__new__(mcls, name, bases, body, **options)

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, body)


class Struct(metaclass=DeclaredMeta):
    """Base of every declared struct.

    `unknown_tagged_fields` maps the tag of a field that this declaration does not know to its bytes, or is None. They
    are written back when the struct is encoded (KIP-482).
    """

    __slots__ = ("unknown_tagged_fields",)
    ROWS: ClassVar[tuple[Row, ...]] = ()
    if TYPE_CHECKING:
        unknown_tagged_fields: dict[int, bytes] | None = None

    def __init__(self, **values: Any) -> None:
        cls = type(self)
        cls.__init__ = _make_init(cls)  # type: ignore[method-assign]
        cls.__init__(self, **values)

    @classmethod
    def default_of(cls, row: Row) -> Any:
        """The default of a row; the same object at each call for a struct, so that identity tells a default."""
        defaults: dict[str, Any] | None = cls.__dict__.get("_DEFAULTS")
        if defaults is None:
            defaults = {}
            cls._DEFAULTS = defaults
        if row.name not in defaults:
            defaults[row.name] = row.default_value()
        return defaults[row.name]

    _DEFAULTS: ClassVar[dict[str, Any]]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, row.name) == getattr(other, row.name) for row in self.ROWS) and (
            (self.unknown_tagged_fields or None) == (other.unknown_tagged_fields or None)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = [f"{row.name}={getattr(self, row.name, UNSET)!r}" for row in self.ROWS]
        if self.unknown_tagged_fields:
            shown.append(f"unknown_tagged_fields={self.unknown_tagged_fields!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Message(Struct):
    """A struct with versions of its own: what a request, a response, a header or a log record is.

    Class arguments: `kind` as in Kafka's message JSON ("request", "response", "header", "data", "coordinator-key",
    "coordinator-value", "metadata", ...), `versions` that Kafka 4.3.1 speaks, `legacy` those that 3.9 spoke besides,
    `flexible` those with compact lengths and tagged fields, `api_key` where it has one.
    """

    KIND: ClassVar[str] = ""
    API_KEY: ClassVar[int | None] = None
    VERSIONS: ClassVar[range] = range(0)
    LEGACY_VERSIONS: ClassVar[range] = range(0)
    FLEXIBLE: ClassVar[range] = range(0)

    def __init_subclass__(
        cls, *, kind: str, versions: str, flexible: str = "none", legacy: str = "none", api_key: int | None = None
    ) -> None:
        cls.KIND = kind
        cls.API_KEY = api_key
        cls.VERSIONS = version_range(versions)
        cls.LEGACY_VERSIONS = version_range(legacy)
        cls.FLEXIBLE = version_range(flexible)

    @classmethod
    def all_versions(cls) -> list[int]:
        """Every version that can be decoded and encoded, the legacy ones of 3.9 included, ascending."""
        return sorted({*cls.VERSIONS, *cls.LEGACY_VERSIONS})
