"""Deadlines against a dictionary of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from klamm.coordinator.timers import Deadlines

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.integers(0, 100)),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("pass"), st.just(0), st.integers(0, 30)),
    ),
    max_size=60,
)


@given(STEPS)
def test_what_is_due_is_what_a_dictionary_says(steps: list[tuple[str, int, int]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, int] = {}
    now = 0
    for step, key, number in steps:
        if step == "set":
            deadlines.set(key, now + number)
            model[key] = now + number
        elif step == "cancel":
            deadlines.cancel(key)
            model.pop(key, None)
        else:
            now += number
            due = []
            while (popped := deadlines.pop_due(now)) is not None:
                due.append((model.pop(popped), popped))
            assert [at for at, _ in due] == sorted(at for at, _ in due)
            assert all(at <= now for at, _ in due)
        assert all(at > now for at in model.values()) or step != "pass"
        assert len(deadlines) == len(model)
        first = deadlines.next_deadline_ms()
        assert (first is None) == (not model)
        assert first is None or first <= min(model.values())


def test_a_session_that_is_moved_on_and_on_stands_in_the_heap_once() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for now in range(10_000):
        deadlines.set("member", now + 100)
    assert len(deadlines._heap) == 1
    assert deadlines.pop_due(10_000) is None
    assert deadlines.pop_due(10_099) == "member"
