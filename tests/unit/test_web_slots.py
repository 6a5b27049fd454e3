import threading

import pytest

from exporter.clock import Deadline
from exporter.web.slots import Admission, Slots

LIMIT = 60.0  # seconds after which a test gives up waiting; never waited for when all is well


class Guest:
    """Mimics a connection: it leaves as soon as it is hung up."""

    def __init__(self, slots: "Slots[Guest]") -> None:
        self.slots = slots
        self.hung_up = threading.Event()
        self.seated = threading.Event()

    def hang_up(self) -> None:
        """Leave, in another thread as a connection does: the one that serves it."""
        self.hung_up.set()
        threading.Thread(target=self.leave).start()

    def leave(self) -> None:
        """Give the slot to the next one."""
        heir = self.slots.release(self)
        if heir is not None:
            heir.seated.set()

    def come(self) -> bool:
        """Ask for a slot and wait until it is there; False when closed."""
        admission = self.slots.admit(self)
        if admission is Admission.FREE:
            self.seated.set()
        return admission is not Admission.CLOSED and self.seated.wait(LIMIT)


@pytest.fixture
def slots() -> Slots[Guest]:
    """Two of them, without patience."""
    return Slots(2, 0.0)


def admitted(slots: Slots[Guest], *, serving: bool = False) -> Guest:
    """Let a guest in."""
    guest = Guest(slots)
    assert guest.come()
    assert slots.pause(guest)
    if serving:
        assert slots.begin(guest)
    return guest


def test_the_longest_waiting_makes_room(slots: Slots[Guest]) -> None:
    """With all slots taken, a new guest takes the place of the one that has waited longest."""
    first, second = admitted(slots), admitted(slots)

    admitted(slots)

    assert first.hung_up.is_set()
    assert not second.hung_up.is_set()


def test_who_paused_again_waits_from_then_on(slots: Slots[Guest]) -> None:
    """Waiting counts from the last answer, not from the admission."""
    first, second = admitted(slots), admitted(slots)
    slots.begin(first)
    slots.pause(first)

    admitted(slots)

    assert second.hung_up.is_set()
    assert not first.hung_up.is_set()


def test_waiting_on_does_not_renew_the_waiting(slots: Slots[Guest]) -> None:
    """Who drips its request in, and so waits again and again, has waited from the first time."""
    first, second = admitted(slots), admitted(slots)
    slots.pause(first)

    admitted(slots)

    assert first.hung_up.is_set()
    assert not second.hung_up.is_set()


def test_who_has_not_looked_yet_keeps_the_slot(slots: Slots[Guest]) -> None:
    """A guest whose request may be there already is not evicted before it has looked."""
    fresh = Guest(slots)
    fresh.come()
    waiting = admitted(slots)

    admitted(slots)

    assert waiting.hung_up.is_set()
    assert not fresh.hung_up.is_set()
    assert slots.begin(fresh)


def test_who_is_served_keeps_the_slot(slots: Slots[Guest]) -> None:
    """A guest whose request is complete is never evicted for another."""
    serving, waiting = admitted(slots, serving=True), admitted(slots)

    admitted(slots)

    assert waiting.hung_up.is_set()
    assert not serving.hung_up.is_set()


class Stubborn(Guest):
    """Mimics a connection that does not notice yet that it was hung up."""

    def hang_up(self) -> None:
        """Stay."""


def test_an_evicted_guest_can_only_leave(slots: Slots[Guest]) -> None:
    """A request that was completed in the moment of the eviction is not served."""
    guest = Stubborn(slots)
    guest.come()
    slots.pause(guest)
    slots.shed()

    assert not slots.begin(guest)
    assert not slots.pause(guest)


def test_a_newcomer_takes_over_the_thread_of_the_evicted(slots: Slots[Guest]) -> None:
    """Never are there more holders than slots: the newcomer is served once the evicted has left."""
    guests = [Stubborn(slots), Stubborn(slots)]
    for guest in guests:
        guest.come()
        slots.pause(guest)
    newcomer = Guest(slots)

    assert slots.admit(newcomer) is Admission.HANDED
    assert slots.release(guests[0]) is newcomer
    assert slots.release(newcomer) is None


def test_who_waits_but_a_moment_is_not_evicted() -> None:
    """While the only one who waits has just begun to, a newcomer waits for a slot instead."""
    slots = Slots[Guest](1, LIMIT * 10)
    fresh = admitted(slots)
    newcomer = threading.Thread(target=Guest(slots).come)
    newcomer.start()

    fresh.leave()
    newcomer.join(LIMIT)

    assert not newcomer.is_alive()
    assert not fresh.hung_up.is_set()


def test_dripping_does_not_keep_a_newcomer_out() -> None:
    """Patience counts from the first wait, not from the last byte that dripped in."""
    now = [0.0]
    slots = Slots[Guest](1, 60.0, lambda: now[0])
    dripping = admitted(slots)
    now[0] = 61.0
    slots.pause(dripping)
    newcomer = threading.Thread(target=Guest(slots).come, daemon=True)
    newcomer.start()

    newcomer.join(LIMIT)

    assert dripping.hung_up.is_set()


@pytest.mark.parametrize("step", ["pauses", "leaves"])
def test_a_newcomer_waits_while_all_are_served(slots: Slots[Guest], step: str) -> None:
    """The first who pauses or leaves lets the newcomer in."""
    serving = admitted(slots, serving=True)
    admitted(slots, serving=True)
    newcomer = threading.Thread(target=admitted, args=(slots,))
    newcomer.start()

    if step == "pauses":
        slots.pause(serving)
    else:
        serving.leave()
    newcomer.join(LIMIT)

    assert not newcomer.is_alive()
    assert serving.hung_up.is_set() is (step == "pauses")


def test_closing_turns_newcomers_away(slots: Slots[Guest]) -> None:
    """After closing, those who wait are hung up, those served stay, and nobody comes in."""
    waiting, serving = admitted(slots), admitted(slots, serving=True)

    slots.close()

    assert waiting.hung_up.is_set()
    assert not serving.hung_up.is_set()
    assert not Guest(slots).come()
    assert not slots.pause(serving)


def test_closing_frees_a_newcomer_that_waits(slots: Slots[Guest]) -> None:
    """Nobody waits for a slot of a server that stops."""
    admitted(slots, serving=True)
    admitted(slots, serving=True)
    answers: list[bool] = []
    newcomer = threading.Thread(target=lambda: answers.append(Guest(slots).come()))
    newcomer.start()

    slots.close()
    newcomer.join(LIMIT)

    assert answers == [False]


def test_draining_cuts_those_left_after_the_grace(slots: Slots[Guest]) -> None:
    """Who is still served when the grace is over is hung up."""
    serving = admitted(slots, serving=True)

    slots.drain(Deadline.after(0))

    assert serving.hung_up.is_set()


def test_draining_waits_for_those_served(slots: Slots[Guest]) -> None:
    """Who leaves within the grace is not hung up."""
    serving = admitted(slots, serving=True)
    leaving = threading.Timer(0.05, serving.leave)
    leaving.start()

    slots.drain(Deadline.after(60))

    assert not serving.hung_up.is_set()


def test_shedding_evicts_one(slots: Slots[Guest]) -> None:
    """Shedding takes the longest waiting one, and does nothing when none waits."""
    first, second = admitted(slots), admitted(slots)

    shed = slots.shed()

    assert shed
    assert first.hung_up.is_set()
    assert not second.hung_up.is_set()
    assert not Slots[Guest](1, 0.0).shed()


def test_settling_waits_for_those_served(slots: Slots[Guest]) -> None:
    """It waits until the last that is served has left, and hangs nobody up."""
    waiting, serving = admitted(slots), admitted(slots, serving=True)
    settling = threading.Thread(target=slots.settle, args=(LIMIT,))
    settling.start()
    served = settling.is_alive()

    serving.leave()
    settling.join(LIMIT)

    assert served
    assert not settling.is_alive()
    assert not waiting.hung_up.is_set()
    assert slots.begin(waiting)


def test_settling_ends_with_the_grace(slots: Slots[Guest]) -> None:
    """It does not wait for longer than it may."""
    serving = admitted(slots, serving=True)

    slots.settle(0)

    assert not serving.hung_up.is_set()
