import pytest

from klamm.broker.timers import FEW, Timers


def test_due_timers_run_in_the_order_of_their_deadlines() -> None:
    timers, called = Timers(), []
    timers.call_at(30, lambda: called.append("c"))
    timers.call_at(10, lambda: called.append("a"))
    timers.call_at(10, lambda: called.append("b"))
    timers.run_due(29)
    assert called == ["a", "b"]
    assert timers.next_deadline_ms() == 30
    timers.run_due(30)
    assert called == ["a", "b", "c"]
    assert timers.next_deadline_ms() is None


def test_a_cancelled_timer_is_neither_called_nor_waited_for() -> None:
    timers, called = Timers(), []
    timers.call_at(10, lambda: called.append("a")).cancel()
    later = timers.call_at(20, lambda: called.append("b"))
    assert timers.next_deadline_ms() == 20
    timers.run_due(20)
    later.cancel()
    assert called == ["b"]


def test_only_a_timer_that_becomes_the_first_wakes_the_loop() -> None:
    timers, woken = Timers(), []
    timers.on_earlier = lambda: woken.append(True)
    timers.call_at(10, lambda: None)
    timers.call_at(20, lambda: None)
    assert len(woken) == 1
    timers.call_at(5, lambda: None)
    assert len(woken) == 2


def test_a_timer_set_by_a_callback_for_now_runs_in_the_same_round() -> None:
    timers, called = Timers(), []
    timers.call_at(10, lambda: timers.call_at(10, lambda: called.append("inner")) and None)
    timers.run_due(10)
    assert called == ["inner"]


def test_a_callback_that_fails_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    timers, called = Timers(), []
    timers.call_at(10, lambda: 1 // 0)
    timers.call_at(10, lambda: called.append("b"))
    timers.run_due(10)
    assert called == ["b"]
    assert "ZeroDivisionError" in caplog.text


def test_cancelled_timers_do_not_pile_up_until_their_time() -> None:
    timers, called = Timers(), []
    for number in range(10_000):
        timers.call_at(30_000 + number, lambda: called.append("never")).cancel()
    kept = timers.call_at(40_000, lambda: called.append("kept"))
    assert len(timers._heap) < 3 * FEW
    timers.run_due(50_000)
    assert called == ["kept"]
    kept.cancel()
    assert timers.next_deadline_ms() is None
