"""Ctrl-C in the moment at which Python cannot raise it."""

import os
import signal
import threading
import weakref

import pytest

from kd_edge.reporting.interrupts import Interrupts


class Thing:
    """Anything that a weak reference can follow."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_comes_at_the_next_check() -> None:
    thing = Thing()
    gone = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
    with Interrupts() as interrupts:
        interrupts.check()
        del thing
        assert gone() is None
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            interrupts.check()


def test_an_interrupt_is_raised_at_once_and_the_handler_is_restored() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"^$"), Interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_in_another_thread_nothing_is_changed() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def enter() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]
