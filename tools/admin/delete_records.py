"""`klamm delete-records`: moves the start of partitions forward, as Kafka's DeleteRecordsCommand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from ..client import Client, ClientError, ServerError
from ..client.errors import java_line
from ..console.options import COMMON, Option, Options, OptionsError
from ..progress import Progress
from .common import (
    BOOTSTRAP,
    COMMAND_CONFIG,
    JSON,
    CommandError,
    client_of,
    execute,
    print_json,
    print_message_and_trace,
)
from .partitions_file import duplicates, read_rows

ABOUT: Final = """This tool helps to delete records of the given partitions down to the specified offset.

    echo '{"partitions": [{"topic": "greetings", "partition": 0, "offset": 3}], "version": 1}' > offsets.json
    klamm delete-records --bootstrap-server localhost:9092 --offset-json-file offsets.json
    echo '{"version": 1, "partitions": [{"topic": "t", "partition": 0, "offset": -1}]}' > all-of-t.json
    klamm delete-records --bootstrap-server localhost:9092 --offset-json-file all-of-t.json"""

OPTIONS: Final = (
    BOOTSTRAP,
    Option(
        "offset-json-file",
        "string",
        'REQUIRED: A file with {"partitions": [{"topic": "t", "partition": 0, "offset": 1}], "version": 1}; '
        "offset -1 is the high watermark.",
    ),
    COMMAND_CONFIG,
    JSON,
    *COMMON,
)

#: What a moved leader answers: the request then goes to the new one.
_MOVED: Final = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.LEADER_NOT_AVAILABLE)

Partition = tuple[str, int]


def delete(client: Client, offsets: dict[Partition, int]) -> dict[Partition, int | ClientError]:
    """Deletes what lies below each offset. Partition -> its new low watermark, or why not."""
    outcome: dict[Partition, int | ClientError] = {}
    with Progress("partitions", len(offsets)) as progress:
        for partition, offset in offsets.items():
            try:
                outcome[partition] = client.until(lambda p=partition, o=offset: _delete_one(client, p, o), _MOVED)  # type: ignore[misc]
            except ClientError as error:
                outcome[partition] = error
            progress.tick(len(outcome))
    return outcome


def _delete_one(client: Client, partition: Partition, offset: int) -> int:
    topic, index = partition
    (leader,) = client.leaders([partition])
    row = DeleteRecordsTopic(name=topic, partitions=[DeleteRecordsPartition(partition_index=index, offset=offset)])
    request = DeleteRecordsRequest(topics=[row], timeout_ms=client.settings.request_timeout_ms)
    answer = client.node(leader, request, DeleteRecordsResponse).topics[0].partitions[0]
    if answer.error_code:
        raise ServerError(answer.error_code)
    return answer.low_watermark


def _body(options: Options) -> int:
    if not options.has("bootstrap-server"):
        raise OptionsError('Missing required argument "[bootstrap-server]"')
    if not options.has("offset-json-file"):
        raise OptionsError('Missing required argument "[offset-json-file]"')
    rows = read_rows(options.last("offset-json-file"), "partition", "offset")
    twice = duplicates([(topic, numbers[0]) for topic, numbers in rows])
    if twice:
        raise CommandError(
            f"Offset json file contains duplicate topic partitions: {','.join(twice)}",
            "org.apache.kafka.tools.AdminCommandFailedException",
        )
    json = options.has("json")
    with client_of(options) as client:
        if not json:
            print("Executing records delete operation")
        outcome = delete(client, {(topic, numbers[0]): numbers[1] for topic, numbers in rows})
    if json:
        print_json([_as_json(partition, result) for partition, result in outcome.items()])
        return 0
    print("Records delete operation completed:")
    for (topic, index), result in outcome.items():
        text = f"low_watermark: {result}" if isinstance(result, int) else f"error: {java_line(result)}"
        print(f"partition: {topic}-{index}\t{text}")
    return 0


def _as_json(partition: Partition, result: int | ClientError) -> dict[str, object]:
    row: dict[str, object] = {"topic": partition[0], "partition": partition[1]}
    return {**row, **({"lowWatermark": result} if isinstance(result, int) else {"error": java_line(result)})}


def run(arguments: Sequence[str]) -> int:
    return execute(ABOUT, OPTIONS, arguments, _body, print_message_and_trace)
