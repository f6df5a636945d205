"""UpdateFeatures v0-2 (KIP-584, KIP-778): raises and lowers the levels of the cluster's features.

Up to v1 the answer names each feature, when all went well. v0 only raises: its allow_downgrade is passed over,
as by Kafka 4.3.1. Of a feature that is named twice the last counts. What is refused and why:
metadata/update_features.py.
Source: kafka.server.ControllerApis.handleUpdateFeatures.

Left out: timeout_ms (the work is done when the answer is).
"""

from __future__ import annotations

from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.update_features import UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse
from ..commit_or_refuse import commit
from ..context import RequestContext
from ..metadata.update_features import (
    FeatureChange,
    FeatureUpdate,
    registrations,
    update_features,
)


def _make(change: FeatureChange, context: RequestContext) -> None:
    """Raises KafkaError."""
    broker = context.broker
    level = broker.catalogue.metadata_version
    if change.raises_kraft_version:
        broker.metadata_log.raise_kraft_version(broker.voter(), context.now_ms)
    commit(change.records, context)
    commit(registrations(broker.catalogue, level, {broker.node_id: broker.logs.directory_ids}), context)


def handle(request: UpdateFeaturesRequest, context: RequestContext) -> UpdateFeaturesResponse:
    broker = context.broker
    updates = {
        update.feature: FeatureUpdate(update.max_version_level, update.upgrade_type)
        for update in request.feature_updates
    }
    try:
        change = update_features(broker.catalogue, updates)
        if not request.validate_only:
            _make(change, context)
    except KafkaError as error:
        return UpdateFeaturesResponse(throttle_time_ms=0, error_code=error.code, error_message=error.message)
    return UpdateFeaturesResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        error_message=None,
        # Kafka writes the error's name where others have nothing.
        results=[
            UpdatableFeatureResult(feature=row.feature, error_code=ErrorCode.NONE, error_message=ErrorCode.NONE.name)
            for row in request.feature_updates
        ],
    )
