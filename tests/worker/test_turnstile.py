"""Each ticket goes to one of the two sides."""

from __future__ import annotations

import socket
import threading

from worker.turnstile import Turnstile, enter


def test_the_child_takes_tickets_in_order_and_the_parent_takes_the_rest_back():
    turnstile = Turnstile()
    turnstile.admit([1, 2, 3])

    assert enter(turnstile.exit) == 1
    assert turnstile.take_back() == {2, 3}
    assert turnstile.take_back() == set()
    turnstile.admit([4])
    assert enter(turnstile.exit) == 4


def test_a_ticket_is_never_on_both_sides():
    turnstile = Turnstile()
    taken: list[int] = []

    def child(exit_: socket.socket) -> None:
        while ticket := enter(exit_):
            taken.append(ticket)

    thread = threading.Thread(target=child, args=(turnstile.exit.dup(),))
    thread.start()
    back: list[int] = []
    for first in range(1, 20_000, 20):
        turnstile.admit(range(first, first + 20))
        back += turnstile.take_back()
    turnstile.close()
    thread.join()

    assert taken == sorted(taken)
    assert sorted(taken + back) == list(range(1, 20_001))


def test_the_child_hears_that_the_parent_is_gone():
    turnstile = Turnstile()
    exit_ = turnstile.exit.dup()
    turnstile.admit([1])
    turnstile.close()

    assert [enter(exit_), enter(exit_)] == [1, None]
