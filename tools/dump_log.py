"""`klamm dump-log`: what stands in the files of a log, in the lines of Kafka's DumpLogSegments.

Left out: message sets of magic 0 and 1; `--remote-log-metadata-decoder`; decoder classes of one's own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from .cli import FAILED, OK
from .dump_log_files import OptionalLong, Report, Row, Wanted, dump_file
from .log_decoders import BYTES_DECODERS, DECODERS, Decoder, compact_json, plain_decoder

_EXAMPLES: Final = """\
examples:
  klamm dump-log --files klamm-data/orders-0/00000000000000000000.log --print-data-log
  klamm dump-log --files klamm-data/__consumer_offsets-0/00000000000000000000.log --offsets-decoder
  klamm dump-log --json --deep-iteration --files 00000000000000000000.log,00000000000000000000.index
"""

#: Kafka's line has no colon behind these.
_WITHOUT_COLON: Final = frozenset({"SnapshotHeader", "SnapshotFooter", "KRaftVersion", "KRaftVoters"})
_STRING_DECODER: Final = "org.apache.kafka.tools.api.StringDecoder"


class _OptionsError(Exception):
    """A command line that Kafka's class would not take."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _OptionsError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="klamm dump-log",
        description="Prints what stands in .log, .index, .timeindex, .txnindex, .snapshot and .checkpoint files.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def flag(name: str, help: str) -> None:
        parser.add_argument(f"--{name}", action="store_true", help=help)

    parser.add_argument("--files", metavar="FILE,FILE", help="required: the files, with commas between them")
    flag("deep-iteration", "records too; implied by --print-data-log")
    flag("print-data-log", "keys and values too; implied by any decoder")
    flag("verify-index-only", "compare indexes with the log without printing them")
    flag("index-sanity-check", "only the check of indexes that Kafka makes at its start")
    flag("skip-record-metadata", "only keys and values of records; control records are left out")
    parser.add_argument("--max-message-size", type=int, default=5 * 1024 * 1024, metavar="BYTES", help="largest batch")
    parser.add_argument("--max-bytes", type=int, default=2**31 - 1, metavar="BYTES", help="read no more of a .log")
    for of in ("key", "value"):
        parser.add_argument(
            f"--{of}-decoder-class",
            nargs="?",
            const=_STRING_DECODER,
            metavar="CLASS",
            help=f"of Kafka's {', '.join(BYTES_DECODERS)} (default: StringDecoder)",
        )
    for name in DECODERS:
        flag(f"{name}-decoder", f"records of {name.replace('-', ' ')}")
    flag("json", "a JSON object a line instead of Kafka's lines")
    return parser


def run(arguments: Sequence[str]) -> int:
    """`klamm dump-log ARGUMENTS`. Returns the exit code: as Kafka's class, 1 for a wrong command line too."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        if not options.files:
            raise _OptionsError('Missing required argument "[files]"')
        wanted = Wanted(
            decoder=_decoder(options),
            deep=options.deep_iteration or _prints_data(options),
            contents=_prints_data(options),
            skip_metadata=options.skip_record_metadata,
            sanity_only=options.index_sanity_check,
            verify_only=options.verify_index_only,
            max_bytes=options.max_bytes,
            max_message_bytes=options.max_message_size,
        )
    except _OptionsError as error:
        print(error, file=sys.stderr)
        parser.print_help(sys.stderr)
        return FAILED
    report = Report()
    for path in options.files.split(","):
        try:
            for row in dump_file(path, wanted, report):
                if row.kind == "unknown":
                    print(row.line, file=sys.stderr)
                elif not options.json:
                    print(_text_line(row))
                elif row.kind != "file":
                    print(_json_line(path, row))
        except (OSError, ValueError) as error:
            sys.stdout.flush()
            print(f"{path}: {error}", file=sys.stderr)
            return FAILED
    sys.stdout.flush()
    for line in report.lines():
        print(line, file=sys.stderr)
    return OK


def _prints_data(options: argparse.Namespace) -> bool:
    decoders = (getattr(options, f"{name.replace('-', '_')}_decoder") for name in DECODERS)
    return bool(options.print_data_log or options.key_decoder_class or options.value_decoder_class or any(decoders))


def _decoder(options: argparse.Namespace) -> Decoder:
    for name, make in DECODERS.items():
        if getattr(options, f"{name.replace('-', '_')}_decoder"):
            return make()
    plain = []
    for name in (options.key_decoder_class, options.value_decoder_class):
        short = (name or _STRING_DECODER).rpartition(".")[2]
        if short not in BYTES_DECODERS:
            raise _OptionsError(f"there is no decoder {name}; klamm has {', '.join(BYTES_DECODERS)}")
        plain.append(BYTES_DECODERS[short])
    return plain_decoder(plain[0], plain[1])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return compact_json(value)
    if isinstance(value, list):
        return "[" + ",".join(value) + "]"
    return str(value)


def _text_line(row: Row) -> str:
    if row.line is not None:
        return row.line
    shown = " ".join(f"{name}{'' if name in _WITHOUT_COLON else ':'} {_text(value)}" for name, value in row.fields)
    return f"| {shown}" if row.kind == "record" and shown else shown


def _json_line(path: str, row: Row) -> str:
    fields = {name: value.value if isinstance(value, OptionalLong) else value for name, value in row.fields}
    return json.dumps({"file": path, "kind": row.kind, **fields}, ensure_ascii=False)
