"""XXH3 against the reference library's numbers, and the hash of a group's topics against one that Kafka wrote."""

from __future__ import annotations

import pytest

from klamm.coordinator.metadata_hash import group_hash, topic_hash
from klamm.coordinator.xxh3 import xxh3_64

#: Length -> hash of the bytes 0, 1, ... 250, 0, ...: each length is the first or last of its own algorithm.
HASHES = {
    0: 3244421341483603138,
    1: 14144645293874801883,
    3: 6864218090047839419,
    4: 6979084321315492338,
    8: 4187271766389786872,
    9: 16816763818684955100,
    16: 9463720498221773019,
    17: 11453570474087510824,
    64: 7027844749552840021,
    65: 7577525643630617296,
    128: 9639417669764826219,
    129: 17038879581898686042,
    200: 17594024861627254531,
    240: 3988562325861820517,
    241: 209643423615708418,
    1024: 16561859741171264165,
    1025: 16815387850662484078,
    3000: 1982823290609869994,
}


@pytest.mark.parametrize("length", HASHES)
def test_xxh3(length: int) -> None:
    assert xxh3_64(bytes(number % 251 for number in range(length))) == HASHES[length]


def test_what_kafka_wrote_of_a_group_with_two_topics() -> None:
    """ConsumerGroupMetadataValue.metadataHash of a group of Kafka 4.3.1 on one broker without a rack."""
    hashes = {
        name: topic_hash(name, bytes.fromhex(topic_id), [[]] * partitions)
        for name, topic_id, partitions in (
            ("t722a56", "6d4ba920972d4afe996133b7a07e8729", 6),
            ("u722a56", "6ae1dcc18ac2410c8aecdf8e070614f7", 3),
        )
    }
    assert group_hash(hashes) == 7848488578949705522


def test_no_topics_have_no_hash() -> None:
    assert group_hash({}) == 0


def test_every_part_of_a_topic_counts() -> None:
    one = ("t", bytes(16), [["a"], ["b"]])
    others = [
        ("u", bytes(16), [["a"], ["b"]]),
        ("t", bytes(15) + b"\1", [["a"], ["b"]]),
        ("t", bytes(16), [["a"], ["b"], ["c"]]),
        ("t", bytes(16), [["a", "b"], []]),
        ("t", bytes(16), [["ab"], []]),
    ]
    assert len({topic_hash(*topic) for topic in (one, *others)}) == 6
    assert topic_hash("t", bytes(16), [["b", "a"]]) == topic_hash("t", bytes(16), [["a", "b"]])
