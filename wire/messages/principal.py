"""The principal that a broker forwards in an Envelope (KIP-590)."""

from __future__ import annotations

from ..declare import Message, boolean, string


class DefaultPrincipalData(Message, kind="data", versions="0", flexible="0+"):
    type: str = string("0+")
    name: str = string("0+")
    token_authenticated: bool = boolean("0+")
