"""What a producer's properties mean for the batches that klamm's commands send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...wire.compression import Codec
from .errors import SettingError
from .pipeline import PipelineSettings
from .settings import number

ACKS: Final[Mapping[str, int]] = {"all": -1, "-1": -1, "0": 0, "1": 1}


def pipeline_settings(config: Mapping[str, str]) -> PipelineSettings:
    """acks, compression.type, retries and the rest, with Kafka's defaults. Raises SettingError."""
    text = config.get("compression.type", "none")
    if text.upper() not in Codec.__members__:
        names = ", ".join(codec.name.lower() for codec in Codec)
        raise SettingError(f"Invalid value {text} for configuration compression.type: String must be one of: {names}")
    acks = str(config.get("acks", "-1"))
    if acks not in ACKS:
        raise SettingError(f"Invalid value {acks} for configuration acks: String must be one of: all, -1, 0, 1")
    idempotent = config.get("enable.idempotence", "true").strip().lower() == "true"
    default = PipelineSettings()
    return PipelineSettings(
        acks=ACKS[acks],
        codec=Codec[text.upper()],
        retries=number(config, "retries", default.retries),
        request_timeout_ms=number(config, "request.timeout.ms", default.request_timeout_ms),
        delivery_timeout_ms=number(config, "delivery.timeout.ms", default.delivery_timeout_ms),
        max_block_ms=number(config, "max.block.ms", default.max_block_ms),
        metadata_max_age_ms=number(config, "metadata.max.age.ms", default.metadata_max_age_ms),
        max_in_flight=number(config, "max.in.flight.requests.per.connection", default.max_in_flight),
        max_request_bytes=number(config, "max.request.size", default.max_request_bytes),
        # As Kafka's: it is off where acks say otherwise and nobody asked for it.
        idempotent=idempotent and ACKS[acks] == -1,
    )
