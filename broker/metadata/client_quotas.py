"""Client quotas (KIP-546) as the metadata log's ClientQuotaRecords add up.

Source: org.apache.kafka.image.ClientQuotasImage.
"""

from __future__ import annotations

from ...wire.log_records.metadata_security import ClientQuotaRecord

#: A set of (type, name): types are "user", "client-id" and "ip"; the name None is the default of its type.
Entity = frozenset[tuple[str, str | None]]


class ClientQuotas:
    """Entity -> quota -> value. Only `replay` changes it."""

    __slots__ = ("entities",)

    def __init__(self) -> None:
        self.entities: dict[Entity, dict[str, float]] = {}

    def replay(self, record: ClientQuotaRecord) -> None:
        entity = frozenset((row.entity_type, row.entity_name) for row in record.entity)
        quotas = self.entities.setdefault(entity, {})
        if record.remove:
            quotas.pop(record.key, None)
        else:
            quotas[record.key] = record.value
        if not quotas:
            del self.entities[entity]
