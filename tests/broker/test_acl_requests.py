"""ACL requests without an authorizer: refused, and one with an element that no client can name closes its connection.

Each line was seen on a real Kafka 4.3.1.
"""

from __future__ import annotations

from typing import Any

import pytest

from klamm.wire.apis import BY_NAME
from klamm.wire.json_form import from_json, to_json

from .raw_client import ClosedError, RawClient

DISABLED = 54
FILTER = {
    "resourceTypeFilter": 1,
    "resourceNameFilter": None,
    "patternTypeFilter": 1,
    "principalFilter": None,
    "hostFilter": None,
    "operation": 1,
    "permissionType": 1,
}
ACL = {
    "resourceType": 2,
    "resourceName": "t",
    "resourcePatternType": 3,
    "principal": "User:a",
    "host": "*",
    "operation": 3,
    "permissionType": 3,
}
#: API -> its request with one element, the element, and the answer's code for it.
REQUESTS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "DescribeAcls": (lambda one: one, FILTER, lambda answer: answer["errorCode"]),
    "CreateAcls": (lambda one: {"creations": [ACL, one]}, ACL, lambda answer: answer["results"][1]["errorCode"]),
    "DeleteAcls": (
        lambda one: {"filters": [FILTER, one]},
        FILTER,
        lambda answer: answer["filterResults"][1]["errorCode"],
    ),
}
CODES = [
    (api, field)
    for api, (_, element, _) in REQUESTS.items()
    for field, value in element.items()
    if isinstance(value, int)
]


def asked(address: str, api: str, version: int, changed: dict[str, int]) -> int:
    wrap, element, code = REQUESTS[api]
    row = BY_NAME[api]
    with RawClient(address) as client:
        answer = client.request(from_json(row.request(), wrap({**element, **changed}), version), version)
    return int(code(to_json(answer, version)))


@pytest.mark.parametrize("version", [1, 3])
@pytest.mark.parametrize(("api", "field"), CODES)
def test_an_unknown_element_closes_the_connection_and_one_of_no_release_does_not(
    address: str, api: str, field: str, version: int
) -> None:
    for code in (1, 4, 99, -1):
        assert asked(address, api, version, {field: code}) == DISABLED
    with pytest.raises(ClosedError):
        asked(address, api, version, {field: 0})
