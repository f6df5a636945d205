"""UpdateFeatures v0-2 (KIP-584, KIP-778): raises and lowers the levels of the cluster's features.

Up to v1 the answer names each feature, when all went well. v0 knows of downgrades only whether they are allowed. Of a
feature that is named twice the last counts. What is refused and why: metadata/update_features.py.
Source: kafka.server.ControllerApis.handleUpdateFeatures.

Left out: timeout_ms (the work is done when the answer is).
"""

from __future__ import annotations

from typing import Final

from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.update_features import UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse
from ..commit_or_refuse import commit
from ..context import RequestContext
from ..metadata.update_features import SAFE_DOWNGRADE, UPGRADE, FeatureUpdate, update_features

_UPGRADE_TYPE_FROM: Final = 1


def handle(request: UpdateFeaturesRequest, context: RequestContext) -> UpdateFeaturesResponse:
    broker = context.broker
    updates = {}
    for update in request.feature_updates:
        kind = update.upgrade_type
        if context.api_version < _UPGRADE_TYPE_FROM:
            kind = SAFE_DOWNGRADE if update.allow_downgrade else UPGRADE
        updates[update.feature] = FeatureUpdate(update.max_version_level, kind)
    try:
        records = update_features(broker.catalogue, updates)
        if not request.validate_only:
            commit(records, context)
    except KafkaError as error:
        return UpdateFeaturesResponse(throttle_time_ms=0, error_code=error.code, error_message=error.message)
    return UpdateFeaturesResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        error_message=None,
        # Kafka writes the error's name where others have nothing.
        results=[
            UpdatableFeatureResult(feature=name, error_code=ErrorCode.NONE, error_message=ErrorCode.NONE.name)
            for name in updates
        ],
    )
