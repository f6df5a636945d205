"""Speed of the wire: `python -m compat_tests.bench.wire [--stall] [--first-use] [--import]`, all of it without options.

- Compiled codecs beside hand-written ones (`by_hand/`), in turns in one run, the best of each.
- What the first use of a message costs: its schema, its decoder, its encoder.
- What a maximal request of the smallest elements costs, for each array of each request: the time for which one frame
  keeps the loop from other connections.
- What `import` costs, each in a fresh interpreter.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from klamm.wire.apis import APIS
from klamm.wire.codec import compiled_decoder, compiled_encoder, decode, encode
from klamm.wire.compile_decoder import compile_decoder
from klamm.wire.compile_encoder import compile_encoder
from klamm.wire.compiler import MAX_REQUEST_OBJECTS
from klamm.wire.declare import Message, Row, Struct
from klamm.wire.messages import fetch, metadata, produce
from klamm.wire.schema import make_schema
from klamm.wire.subcons import ArrayOf, NullableStruct, TagSection, unnamed, weight

from .by_hand import fetch as fetch_by_hand
from .by_hand import metadata as metadata_by_hand
from .by_hand import produce as produce_by_hand

ROUNDS = 40
CALLS = 500
#: The goal: compiled code takes at most so many times what the hand-written takes.
GOAL = 1.3
STALL_GOAL_MS = 100.0


class Case(NamedTuple):
    name: str
    message: Message
    version: int
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


def cases() -> list[Case]:
    """One partition each."""
    records = bytes(200)
    return [
        Case(
            "Produce v9 request",
            produce.ProduceRequest(
                acks=1,
                timeout_ms=30_000,
                topic_data=[
                    produce.TopicProduceData(
                        name="orders", partition_data=[produce.PartitionProduceData(index=3, records=records)]
                    )
                ],
            ),
            9,
            produce_by_hand.decode_produce,
            produce_by_hand.encode_produce,
        ),
        Case(
            "Produce v9 response",
            produce.ProduceResponse(
                responses=[
                    produce.TopicProduceResponse(
                        name="orders",
                        partition_responses=[produce.PartitionProduceResponse(index=3, base_offset=12345)],
                    )
                ]
            ),
            9,
            produce_by_hand.decode_produce_answer,
            produce_by_hand.encode_produce_answer,
        ),
        Case(
            "Fetch v12 request",
            fetch.FetchRequest(
                max_wait_ms=500,
                min_bytes=1,
                topics=[
                    fetch.FetchTopic(
                        topic="orders",
                        partitions=[fetch.FetchPartition(partition=3, fetch_offset=99, partition_max_bytes=1 << 20)],
                    )
                ],
            ),
            12,
            fetch_by_hand.decode_fetch,
            fetch_by_hand.encode_fetch,
        ),
        Case(
            "Fetch v12 response",
            fetch.FetchResponse(
                session_id=77,
                responses=[
                    fetch.FetchableTopicResponse(
                        topic="orders",
                        partitions=[
                            fetch.PartitionData(
                                partition_index=3, high_watermark=100, aborted_transactions=None, records=records
                            )
                        ],
                    )
                ],
            ),
            12,
            fetch_by_hand.decode_fetch_answer,
            fetch_by_hand.encode_fetch_answer,
        ),
        Case(
            "Metadata v9 request",
            metadata.MetadataRequest(topics=[metadata.MetadataRequestTopic(name="orders")]),
            9,
            metadata_by_hand.decode_metadata,
            metadata_by_hand.encode_metadata,
        ),
        Case(
            "Metadata v9 response",
            metadata.MetadataResponse(
                brokers=[metadata.MetadataResponseBroker(node_id=1, host="localhost", port=9092)],
                cluster_id="5L6g3nShT-eMCtK--X86sw",
                controller_id=1,
                topics=[
                    metadata.MetadataResponseTopic(
                        name="orders",
                        partitions=[
                            metadata.MetadataResponsePartition(
                                partition_index=0, leader_id=1, leader_epoch=0, replica_nodes=[1], isr_nodes=[1]
                            )
                        ],
                    )
                ],
            ),
            9,
            metadata_by_hand.decode_metadata_answer,
            metadata_by_hand.encode_metadata_answer,
        ),
    ]


def _microseconds(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - begin) / CALLS * 1e6


def beside_by_hand(case: Case) -> Iterator[tuple[str, float, float]]:
    """(what, microseconds compiled, microseconds by hand), the best of many rounds in turns."""
    data = encode(case.message, case.version)
    by_hands_own = case.decode(data)
    if case.encode(by_hands_own) != data:
        raise AssertionError(f"{case.name} by hand encodes other bytes")
    run_decoder = compiled_decoder(type(case.message), case.version).run
    run_encoder = compiled_encoder(type(case.message), case.version).run
    found = decode(type(case.message), case.version, data)

    def compiled_encode() -> bytes:
        parts: list[bytes] = []
        run_encoder(found, parts.append)
        return b"".join(parts)

    for what, compiled, hand in (
        ("decode", lambda: run_decoder(data, 0), lambda: case.decode(data)),
        ("encode", compiled_encode, lambda: case.encode(by_hands_own)),
    ):
        pairs = [(_microseconds(compiled), _microseconds(hand)) for _ in range(ROUNDS)]
        yield what, min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def print_codecs() -> None:
    print(f"{'one partition':<22}{'':<8}{'compiled':>9} {'by hand':>9} {'ratio':>6}   (us; goal: ratio <= {GOAL})")
    for case in cases():
        for what, compiled, hand in beside_by_hand(case):
            mark = "" if compiled <= GOAL * hand else "   over the goal"
            print(f"{case.name:<22}{what:<8}{compiled:>9.2f} {hand:>9.2f} {compiled / hand:>6.2f}{mark}")


# --- first use ------------------------------------------------------------------------------------------------------


def print_first_use() -> None:
    """Every request and response in its newest version, in milliseconds."""
    columns: dict[str, list[float]] = {"schema": [], "decoder": [], "encoder": []}
    for api in APIS:
        for message in (api.request(), api.response()):
            version = message.all_versions()[-1]
            begin = time.perf_counter()
            layout = make_schema(message, version)
            made = time.perf_counter()
            compile_decoder(layout, MAX_REQUEST_OBJECTS)
            decoded = time.perf_counter()
            compile_encoder(layout)
            ended = time.perf_counter()
            for name, seconds in zip(columns, (made - begin, decoded - made, ended - decoded), strict=True):
                columns[name].append(seconds * 1e3)
    print(f"first use of a message, ms: median and largest of {len(columns['schema'])}")
    for name, times in columns.items():
        print(f"  {name:<8} {statistics.median(times):6.2f} {max(times):6.2f}")


# --- the stall of a maximal frame -----------------------------------------------------------------------------------


def _smallest(declared: type[Struct], version: int) -> Struct:
    """The element that takes the fewest bytes: empty strings, no elements, nulls."""
    values: dict[str, Any] = {}
    for row in declared.ROWS:
        if version not in row.versions or version in row.tagged:
            continue
        if version in row.nullable:
            values[row.name] = None
        elif row.of is not None and not row.array:
            values[row.name] = _smallest(row.of, version)
        elif row.type == "bytes" and not row.array:
            values[row.name] = b""
    return declared(**values)


def _arrays(declared: type[Struct], version: int, path: tuple[Row, ...] = ()) -> Iterator[tuple[Row, ...]]:
    """The ways to each array of a struct."""
    for row in declared.ROWS:
        if version not in row.versions:
            continue
        if row.array:
            yield (*path, row)
        if row.of is not None:
            yield from _arrays(row.of, version, (*path, row))


def _filled(declared: type[Struct], version: int, path: tuple[Row, ...], count: int) -> Struct:
    """The smallest struct whose array at the end of `path` has `count` elements."""
    made = _smallest(declared, version)
    row, *rest = path
    element: Any = None
    if row.of is not None:
        element = _filled(row.of, version, tuple(rest), count) if rest else _smallest(row.of, version)
    elif row.array:
        element = {"string": "", "bytes": b"", "uuid": bytes(16), "bool": False}.get(row.type, 0)
    if not row.array:
        setattr(made, row.name, element)
    else:
        setattr(made, row.name, [element] * (1 if rest else count))
    return made


def _item(layout: Any, path: tuple[Row, ...]) -> Any:
    """The schema of the items of the array at the end of `path`."""
    for row in path:
        named = {renamed.name: unnamed(renamed) for renamed in layout.subcons}
        layout = named.get(row.name)
        if layout is None:
            tags = next(inner for inner in named.values() if isinstance(inner, TagSection))
            layout = next(field.subcon for field in tags.fields if field.name == row.name)
        while isinstance(layout, ArrayOf | NullableStruct):
            layout = layout.subcon
    return layout


def stalls() -> Iterator[tuple[float, int, str]]:
    """(milliseconds to decode, bytes, what) of a maximal frame for each array of each request and version."""
    for api in APIS:
        if not api.versions:
            continue
        message = api.request()
        for version in (api.versions[-1], api.versions[0]):
            for path in _arrays(message, version):
                heavy = weight(_item(make_schema(message, version), path))
                made = _filled(message, version, path, MAX_REQUEST_OBJECTS // heavy - 32)
                assert isinstance(made, Message)
                data = encode(made, version)
                run = compiled_decoder(message, version).run
                times = []
                for _ in range(3):
                    # Processor time: what others do on this machine is no stall of ours.
                    begin = time.process_time()
                    run(data, 0)
                    times.append((time.process_time() - begin) * 1e3)
                yield min(times), len(data), f"{api.name} v{version} {'.'.join(row.name for row in path)}"


def print_stalls() -> None:
    found = sorted(stalls(), reverse=True)
    print(f"decoding requests of {MAX_REQUEST_OBJECTS} objects, smallest of each kind (goal: < {STALL_GOAL_MS:.0f} ms)")
    for milliseconds, size, what in found[:12]:
        print(f"  {milliseconds:7.1f} ms {size:>10} bytes  {what}")


# --- imports --------------------------------------------------------------------------------------------------------

IMPORTS = (
    "import klamm",
    "import klamm.wire.codec",
    "import klamm.wire.codec, klamm.wire.messages.produce",
    "import klamm.wire.codec as c, klamm.wire.messages.produce as p; c.encode(p.ProduceRequest(), 9)",
    "import trio",
    "import trio, construct",
)


def print_imports() -> None:
    print("fresh interpreters, ms beyond an empty one (best of 5)")

    def run(code: str) -> float:
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append((time.perf_counter() - begin) * 1e3)
        return min(times)

    empty = run("pass")
    for code in IMPORTS:
        print(f"  {run(code) - empty:6.1f}  {code}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m compat_tests.bench.wire", description=__doc__)
    parts: dict[str, Callable[[], None]] = {
        "codecs": print_codecs,
        "first-use": print_first_use,
        "stall": print_stalls,
        "imports": print_imports,
    }
    for name in parts:
        parser.add_argument(f"--{name}", action="store_true")
    asked = vars(parser.parse_args())
    chosen = [name for name in parts if asked[name.replace("-", "_")]] or list(parts)
    for name in chosen:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
