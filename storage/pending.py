"""An answer that is not there yet.

An engine that learns the offset of an append only at a database's commit returns a `Pending`; the file engine never
does. Single-threaded: it is completed, and its callbacks run, on the broker's loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """A value or an error that arrives once, later."""

    __slots__ = ("_callbacks", "_error", "_value", "done", "on_abandoned")

    def __init__(self) -> None:
        self.done = False
        self.on_abandoned: Callable[[], None] | None = None
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Pending[T]], None]] = []

    def complete(self, value: T) -> None:
        """Raises RuntimeError if it is done already."""
        self._finish(value, None)

    def fail(self, error: BaseException) -> None:
        """Raises RuntimeError if it is done already."""
        self._finish(None, error)

    def result(self) -> T:
        """The value, or raises the error; RuntimeError while there is neither."""
        if not self.done:
            raise RuntimeError("the answer is not there yet")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # complete() put a T there

    def abandon(self) -> None:
        """Nobody waits any more (the client has gone): `on_abandoned` may let go of what is held for the answer."""
        callback, self.on_abandoned = self.on_abandoned, None
        if callback is not None and not self.done:
            callback()

    def add_callback(self, callback: Callable[[Pending[T]], None]) -> None:
        """Calls `callback(self)` when it is done, at once if it is; in the order of adding."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _finish(self, value: T | None, error: BaseException | None) -> None:
        if self.done:
            raise RuntimeError("the answer was given before")
        self.done = True
        self._value = value
        self._error = error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)
