"""`klamm dump-log`: what stands in the files of a log, in the lines of Kafka's DumpLogSegments.

Left out: message sets of magic 0 and 1; `--remote-log-metadata-decoder`; decoder classes of one's own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from .cli import FAILED, OK
from .console.options import COMMON, Option, Options, OptionsError, help_or_version, parse, refuse
from .dump_log_files import OptionalLong, Report, Row, Wanted, dump_file
from .log_decoders import BYTES_DECODERS, DECODERS, Decoder, compact_json, plain_decoder
from .progress import Progress

ABOUT: Final = """\
This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt log \
segment. It reads .log, .index, .timeindex, .txnindex, .snapshot and .checkpoint files.

    klamm dump-log --files klamm-data/orders-0/00000000000000000000.log --print-data-log
    klamm dump-log --files klamm-data/__consumer_offsets-0/00000000000000000000.log --offsets-decoder
    klamm dump-log --json --deep-iteration --files 00000000000000000000.log,00000000000000000000.index"""

_STRING_DECODER: Final = "org.apache.kafka.tools.api.StringDecoder"
_BYTES_DECODER_HELP: Final = f"What shows {{}}: {', '.join(BYTES_DECODERS)}."

OPTIONS: Final = (
    Option("files", "string", "REQUIRED: The files, with commas between them."),
    Option("deep-iteration", "flag", "Records too; implied by --print-data-log."),
    Option("print-data-log", "flag", "Keys and values too; implied by any decoder."),
    Option("verify-index-only", "flag", "Compare indexes with the log without printing them."),
    Option("index-sanity-check", "flag", "Only the check of indexes that Kafka makes at its start."),
    Option("skip-record-metadata", "flag", "Only keys and values of records; control records are left out."),
    Option("max-message-size", "int", "Bytes of the largest batch.", 5 * 1024 * 1024),
    Option("max-bytes", "int", "Read no more of a .log than so many bytes.", 2**31 - 1),
    Option("key-decoder-class", "optional", _BYTES_DECODER_HELP.format("keys"), _STRING_DECODER),
    Option("value-decoder-class", "optional", _BYTES_DECODER_HELP.format("values"), _STRING_DECODER),
    *(Option(f"{name}-decoder", "flag", f"Records of {name.replace('-', ' ')}.") for name in DECODERS),
    Option("remote-log-metadata-decoder", "flag", "Refused: klamm has no tiered storage."),
    Option("json", "flag", "A JSON object a line instead of Kafka's lines (klamm's own option)."),
    *COMMON,
)

#: Kafka's line has no colon behind these.
_WITHOUT_COLON: Final = frozenset({"SnapshotHeader", "SnapshotFooter", "KRaftVersion", "KRaftVoters"})


def run(arguments: Sequence[str]) -> int:
    """`klamm dump-log ARGUMENTS`. Returns the exit code: as Kafka's class, 1 for a wrong command line too."""
    try:
        options = parse(OPTIONS, arguments)
        if not arguments:
            raise OptionsError(ABOUT.split("\n")[0])
        if help_or_version(options, ABOUT, OPTIONS):
            return OK
        if not options.has("files"):
            raise OptionsError('Missing required argument "[files]"')
        if options.has("remote-log-metadata-decoder"):
            raise OptionsError("--remote-log-metadata-decoder: klamm has no tiered storage")
        wanted = Wanted(
            decoder=_decoder(options),
            deep=options.has("deep-iteration") or _prints_data(options),
            contents=_prints_data(options),
            skip_metadata=options.has("skip-record-metadata"),
            sanity_only=options.has("index-sanity-check"),
            verify_only=options.has("verify-index-only"),
            max_bytes=options.last("max-bytes"),
            max_message_bytes=options.last("max-message-size"),
        )
    except OptionsError as error:
        return refuse(str(error), ABOUT, OPTIONS)
    report = Report()
    # On a terminal the lines themselves show how far it is.
    with Progress("rows", off=sys.stdout.isatty()) as progress:
        code = _dump(options, wanted, report, progress)
    if code == OK:
        for line in report.lines():
            print(line, file=sys.stderr)
    return code


def _dump(options: Options, wanted: Wanted, report: Report, progress: Progress) -> int:
    count = 0
    for path in options.last("files").split(","):
        try:
            for row in dump_file(path, wanted, report):
                count += 1
                progress.tick(count)
                if row.kind == "unknown":
                    print(row.line, file=sys.stderr)
                elif not options.has("json"):
                    print(_text_line(row))
                elif row.kind != "file":
                    print(_json_line(path, row))
        except (OSError, ValueError) as error:
            sys.stdout.flush()
            print(f"{path}: {error}", file=sys.stderr)
            return FAILED
    sys.stdout.flush()
    return OK


def _prints_data(options: Options) -> bool:
    names = ("print-data-log", "key-decoder-class", "value-decoder-class", *(f"{name}-decoder" for name in DECODERS))
    return any(options.has(name) for name in names)


def _decoder(options: Options) -> Decoder:
    for name, make in DECODERS.items():
        if options.has(f"{name}-decoder"):
            return make()
    plain = []
    for name in (options.last("key-decoder-class"), options.last("value-decoder-class")):
        short = name.rpartition(".")[2]
        if short not in BYTES_DECODERS:
            raise OptionsError(f"there is no decoder {name}; klamm has {', '.join(BYTES_DECODERS)}")
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
