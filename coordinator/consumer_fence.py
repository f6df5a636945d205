"""Members of a consumer group go: they leave, or are thrown out because a time is up.

Source: GroupMetadataManager.consumerGroupFenceMembers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from . import consumer_records
from .consumer_convert import may_downgrade, to_classic_group
from .consumer_group import ConsumerGroup
from .consumer_member import ConsumerMember, MemberState
from .consumer_target import metadata_hash_of
from .consumer_timers import REVOCATION, cancel_member
from .records import CoordinatorRecord
from .turn import Turn


def fence(group: ConsumerGroup, members: Collection[ConsumerMember], turn: Turn) -> None:
    """Out with these members: the epoch goes up, so that the next heartbeat makes a target without them. If only
    classic members are left the group becomes a classic one. Raises KafkaError if that cannot be."""
    if not members:
        return
    written: list[CoordinatorRecord] = []
    if may_downgrade(group, members, len(group.members) - len(members), turn):
        to_classic_group(group, members, None, True, written, turn)
    else:
        out = {member.member_id for member in members}
        for member in members:
            written += consumer_records.member_gone(group.group_id, member.member_id)
        going = Counter(member.topic_regex for member in members if member.topic_regex)
        regexes = dict(group.regexes)
        for regex, count in going.items():
            if group.patterns[regex] == count:
                written.append(consumer_records.regular_expression_gone(group.group_id, regex))
                regexes.pop(regex, None)
        left = [member for member_id, member in group.members.items() if member_id not in out]
        hashed = metadata_hash_of(left, regexes, turn.cluster)
        written.append(consumer_records.group_epoch(group.group_id, group.epoch + 1, hashed))
    for member in members:
        cancel_member(group.group_id, member.member_id, turn)
    turn.records += written


def time_is_up(group: ConsumerGroup, kind: str, member_id: str, turn: Turn) -> None:
    """One of the members' timers is due. A static member that has left for a while has nothing to give up."""
    member = group.members.get(member_id)
    if member is None:
        return
    if kind == REVOCATION and (member.has_left_for_a_while or member.state is not MemberState.UNREVOKED_PARTITIONS):
        return
    fence(group, [member], turn)
