"""`klamm wire`: Kafka's protocol to look up, decode and encode by hand.

NAME is an API (`Produce`, then --request or --response says which, the request if neither) or any message
(`ProduceResponse`, `OffsetCommitValue`, `RequestHeader`); upper and lower case are the same. HEX may have spaces and
colons in it. Without HEX or JSON, or with `-` for it, standard input is read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ..wire import frames
from ..wire.apis import APIS, BY_NAME, Api
from ..wire.catalogue import all_messages, find_message, unreleased_messages
from ..wire.codec import CodecError, compiled_decoder, compiled_encoder, decode, encode
from ..wire.declare import Message
from ..wire.json_form import from_json, to_json
from .cli import FAILED, OK, FailedError, UsageError
from .wire_check import check_lines
from .wire_show import render

_EXAMPLES: Final = """\
  klamm wire list
  klamm wire show Produce 9
  klamm wire decode Metadata 1 --request 'ffffffff'
  klamm wire decode --frame '00000012 0003 0001 00000007 0004 6d796964 ffffffff'
  klamm wire encode Metadata 1 '{"topics": [{"name": "orders"}]}'
  klamm wire check tests/data/golden_messages.jsonl
  klamm wire source Produce 9 --request
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # one line, without the usage
        raise UsageError(f"{message}; see `klamm wire --help`")


def parser() -> argparse.ArgumentParser:
    found = _Parser(
        prog="klamm wire",
        description=__doc__.split("\n\n", 1)[1] if __doc__ else None,
        epilog="examples:\n" + _EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", metavar="COMMAND", required=True)

    listing = commands.add_parser("list", help="APIs, their versions, and which klamm serves")
    listing.add_argument("--messages", action="store_true", help="every message instead, log records too")

    def with_message(name: str, help: str, data: str | None = None) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help)
        optional: dict[str, Any] = {"nargs": "?"} if data else {}
        command.add_argument("name", metavar="NAME", **optional)
        command.add_argument("version", metavar="VERSION", **optional)
        side = command.add_mutually_exclusive_group()
        side.add_argument("--request", dest="side", action="store_const", const="Request")
        side.add_argument("--response", dest="side", action="store_const", const="Response")
        command.add_argument("--unreleased", action="store_true", help="as Kafka 4.4 will have it")
        if data:
            command.add_argument("data", metavar=data, nargs="?", default="-")
        return command

    with_message("show", "the fields of a message as a table")
    source = with_message("source", "the Python that decodes and encodes a message")
    source.add_argument("--decode", dest="only", action="store_const", const="decode", help="only the decoder")
    source.add_argument("--encode", dest="only", action="store_const", const="encode", help="only the encoder")
    decoding = with_message("decode", "bytes as JSON", "HEX")
    decoding.add_argument(
        "--frame",
        action="store_true",
        help="HEX is a whole frame, with or without its size: a request without NAME, a response with NAME and VERSION",
    )
    encoding = with_message("encode", "JSON as bytes", "JSON")
    encoding.add_argument("--frame", action="store_true", help="a whole frame, from JSON as `decode --frame` prints it")

    check = commands.add_parser("check", help="run golden vectors: JSON lines with m, v, hex and perhaps j")
    check.add_argument("file", metavar="FILE.jsonl")
    return found


def _no_name_among(names: list[str], name: str) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name, names, 1, 0.6)
    return UsageError(f"there is no API or message {name!r}" + (f"; do you mean {near[0]}?" if near else ""))


def _message(name: str, side: str | None, unreleased: bool = False) -> type[Message]:
    """The class for a NAME as it was typed, and --request or --response."""
    if unreleased:
        by_name = {message.__name__.lower(): message for message in unreleased_messages()}
        for full in (name, name + (side or "Request")):
            if full.lower() in by_name:
                return by_name[full.lower()]
    apis = {api.name.lower(): api for api in APIS}
    if (api := apis.get(name.lower())) is not None:
        return api.response() if side == "Response" else api.request()
    try:
        message = find_message(name)
    except KeyError:
        by_name = {message.__name__.lower(): message for message in all_messages()}
        found = by_name.get(name.lower())
        if found is None:
            raise _no_name_among([*BY_NAME, *(other.__name__ for other in all_messages())], name) from None
        message = found
    if side is not None and not message.__name__.endswith(side):
        raise UsageError(f"{message.__name__} is not a {side.lower()}")
    return message


def _version(message: type[Message], text: str) -> int:
    versions = message.all_versions()
    if not text.isdecimal() or int(text) not in versions:
        spans = f"{versions[0]}-{versions[-1]}" if len(versions) > 1 else str(versions[0])
        raise UsageError(f"{message.__name__} has versions {spans}, not {text}")
    return int(text)


def _input(text: str) -> str:
    return sys.stdin.read() if text == "-" else text


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex("".join(_input(text).replace(":", " ").removeprefix("0x").split()))
    except ValueError as error:
        raise UsageError(f"this is not hexadecimal: {error}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(_input(text))
    except ValueError as error:
        raise UsageError(f"this is not JSON: {error}") from None


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _versions_text(versions: range) -> str:
    if not versions:
        return ""
    return f"{versions[0]}-{versions[-1]}" if len(versions) > 1 else str(versions[0])


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _list(arguments: argparse.Namespace) -> int:
    if arguments.messages:
        rows = [("message", "kind", "key", "versions", "older", "flexible")]
        rows += [
            (
                message.__name__,
                message.KIND,
                "" if message.API_KEY is None else str(message.API_KEY),
                _versions_text(message.VERSIONS),
                _versions_text(message.LEGACY_VERSIONS),
                f"{message.FLEXIBLE.start}+" if message.FLEXIBLE else "",
            )
            for message in all_messages()
        ]
    else:
        from ..broker.api_table import SERVED

        rows = [("key", "API", "4.3", "3.9", "flexible", "klamm")]
        rows += [
            (
                str(api.key),
                api.name,
                _versions_text(api.versions),
                _versions_text(api.versions_3_9),
                "never" if api.flexible_from is None else f"{api.flexible_from}+",
                _versions_text(SERVED[api.key].versions) if api.key in SERVED else "",
            )
            for api in APIS
        ]
    _print_table(rows)
    return OK


def _show(arguments: argparse.Namespace) -> int:
    sides = (arguments.side,) if arguments.side else ("Request", "Response")
    if not _is_api(arguments.name, arguments.unreleased):
        sides = (arguments.side,)
    messages = [_message(arguments.name, side, arguments.unreleased) for side in sides]
    print("\n\n".join(render(message, _version(message, arguments.version)) for message in messages))
    return OK


def _is_api(name: str, unreleased: bool) -> bool:
    """Whether a NAME stands for a request and a response, not for one message."""
    requests = {f"{api.name}Request".lower() for api in APIS}
    if unreleased:
        requests |= {message.__name__.lower() for message in unreleased_messages()}
    return f"{name}Request".lower() in requests


def _source(arguments: argparse.Namespace) -> int:
    message = _message(arguments.name, arguments.side, arguments.unreleased)
    version = _version(message, arguments.version)
    makers: dict[str, Callable[..., Any]] = {"decode": compiled_decoder, "encode": compiled_encoder}
    wanted = [arguments.only] if arguments.only else list(makers)
    print("\n\n".join(makers[verb](message, version).source.rstrip() for verb in wanted))
    return OK


def _named(arguments: argparse.Namespace) -> tuple[type[Message], int]:
    if arguments.name is None or arguments.version is None:
        raise UsageError(f"klamm wire {arguments.command} needs NAME and VERSION")
    message = _message(arguments.name, arguments.side, arguments.unreleased)
    return message, _version(message, arguments.version)


def _decode(arguments: argparse.Namespace) -> int:
    if arguments.frame:
        return _decode_frame(arguments)
    message, version = _named(arguments)
    _print_json(to_json(decode(message, version, _bytes(arguments.data)), version))
    return OK


def _decode_frame(arguments: argparse.Namespace) -> int:
    if arguments.version is None:  # `decode --frame HEX`: a request says itself what it is
        frame = _without_size(_bytes(arguments.name or "-"))
        request = frames.decode_request(frame)
        shown: dict[str, Any] = {
            "api": request.api.name,
            "kind": "request",
            "version": request.version,
            "correlationId": request.correlation_id,
            "clientId": request.client_id,
            "body": to_json(request.message, request.version),
        }
    else:
        message, version = _named(arguments)
        api = _api_of(message)
        response = frames.decode_response(_without_size(_bytes(arguments.data)), api, version)
        shown = {
            "api": api.name,
            "kind": "response",
            "version": response.version,
            "correlationId": response.correlation_id,
            "body": to_json(response.message, response.version),
        }
    _print_json(shown)
    return OK


def _api_of(message: type[Message]) -> Api:
    if message.KIND not in ("request", "response"):
        raise UsageError(f"{message.__name__} is neither a request nor a response: it has no frame of its own")
    return BY_NAME[message.__name__.removesuffix("Request").removesuffix("Response")]


def _without_size(data: bytes) -> bytes:
    return data[4:] if int.from_bytes(data[:4], "big") == len(data) - 4 else data


def _encode(arguments: argparse.Namespace) -> int:
    if arguments.frame:
        print(_encoded_frame(_json(arguments.name or "-")).hex())
        return OK
    message, version = _named(arguments)
    print(encode(from_json(message, _json(arguments.data), version), version).hex())
    return OK


def _encoded_frame(shown: Any) -> bytes:
    try:
        api, version, correlation_id = shown["api"], shown["version"], shown["correlationId"]
        side = "Response" if shown["kind"] == "response" else "Request"
        message = from_json(_message(api, side), shown["body"], version)
    except (KeyError, TypeError) as error:
        raise UsageError(f"a frame has api, kind, version, correlationId and body ({error})") from None
    if side == "Response":
        return frames.encode_response(message, version, correlation_id)
    return frames.encode_request(message, version, correlation_id, shown.get("clientId"))


def _check(arguments: argparse.Namespace) -> int:
    try:
        lines = Path(arguments.file).read_text().splitlines()
    except OSError as error:
        raise UsageError(f"{arguments.file} cannot be read: {error.strerror}") from None
    passed = failed = 0
    for label, problem in check_lines(lines):
        if problem is None:
            passed += 1
        else:
            failed += 1
            print(f"{label}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return FAILED if failed else OK


_COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "list": _list,
    "show": _show,
    "source": _source,
    "decode": _decode,
    "encode": _encode,
    "check": _check,
}


def run(arguments: Sequence[str]) -> int:
    """`klamm wire ARGUMENTS`. Returns the exit code. Raises UsageError and FailedError with one line each."""
    # Options are all flags; argparse wants them before the positional arguments that may be left out.
    flags = [word for word in arguments[1:] if word.startswith("-") and word != "-"]
    parsed = parser().parse_args([*arguments[:1], *flags, *(word for word in arguments[1:] if word not in flags)])
    try:
        return _COMMANDS[parsed.command](parsed)
    except CodecError as error:
        raise FailedError(str(error)) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
