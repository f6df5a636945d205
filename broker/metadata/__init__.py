"""The cluster's metadata: an image replayed from `__cluster_metadata-0`, and the controller that writes it (KIP-500).

- `records.py`: the framing of the log's records.
- `image.py`: `Catalogue`, what the log's records add up to. Nothing else holds a topic's existence.
- `metadata_log.py`: append a change, replay it, tell who listens.
- `controller.py`: events in, records and results out; `create_topics.py`, `delete_topics.py`, `create_partitions.py`,
  `placement.py`, `elections.py`, `reassignments.py`, `alter_configs.py`, `update_features.py` are its parts,
  `auto_create.py` says what to ask it for when a topic is created without being described.
- `client_quotas.py`, `scram.py`: quotas and passwords in the image; `alter_client_quotas.py`, `alter_scram.py` are the
  controller's part of them.
- `producer_ids.py`: ids handed out from blocks that the log reserves.
- `topic_names.py`, `uuids.py`: what a topic may be called, and ids.

Left out: RegisterController, and the records of access control and tokens, which are kept in the log and passed over.
"""
