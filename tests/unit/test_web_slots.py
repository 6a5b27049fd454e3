import threading

import pytest

from exporter.web.slots import Slots


class Guest:
    """Mimics a connection: it leaves as soon as it is hung up."""

    def __init__(self, slots: "Slots[Guest]") -> None:
        self.slots = slots
        self.hung_up = threading.Event()

    def hang_up(self) -> None:
        """Leave, in another thread as a connection does: the one that serves it."""
        self.hung_up.set()
        threading.Thread(target=self.slots.release, args=(self,)).start()


@pytest.fixture
def slots() -> Slots[Guest]:
    """Two of them."""
    return Slots(2)


def admitted(slots: Slots[Guest], *, serving: bool = False) -> Guest:
    """Let a guest in."""
    guest = Guest(slots)
    assert slots.admit(guest)
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


def test_who_is_served_keeps_the_slot(slots: Slots[Guest]) -> None:
    """A guest whose request is complete is never evicted for another."""
    serving, waiting = admitted(slots, serving=True), admitted(slots)

    admitted(slots)

    assert waiting.hung_up.is_set()
    assert not serving.hung_up.is_set()


def test_an_evicted_guest_cannot_begin(slots: Slots[Guest]) -> None:
    """A request that was completed in the moment of the eviction is not served."""
    first, _ = admitted(slots), admitted(slots)
    admitted(slots)

    assert not slots.begin(first)


@pytest.mark.parametrize("step", ["pause", "release"])
def test_a_newcomer_waits_while_all_are_served(slots: Slots[Guest], step: str) -> None:
    """The first who pauses or leaves lets the newcomer in."""
    serving = admitted(slots, serving=True)
    admitted(slots, serving=True)
    newcomer = threading.Thread(target=admitted, args=(slots,))
    newcomer.start()

    getattr(slots, step)(serving)
    newcomer.join(10)

    assert not newcomer.is_alive()
    assert serving.hung_up.is_set() is (step == "pause")


def test_closing_turns_newcomers_away(slots: Slots[Guest]) -> None:
    """After closing, those who wait are hung up, those served stay, and nobody comes in."""
    waiting, serving = admitted(slots), admitted(slots, serving=True)

    slots.close()

    assert waiting.hung_up.is_set()
    assert not serving.hung_up.is_set()
    assert not slots.admit(Guest(slots))
    assert not slots.pause(serving)


def test_closing_frees_a_newcomer_that_waits(slots: Slots[Guest]) -> None:
    """Nobody waits for a slot of a server that stops."""
    admitted(slots, serving=True)
    admitted(slots, serving=True)
    answers: list[bool] = []
    newcomer = threading.Thread(target=lambda: answers.append(slots.admit(Guest(slots))))
    newcomer.start()

    slots.close()
    newcomer.join(10)

    assert answers == [False]


def test_draining_cuts_those_left_after_the_grace(slots: Slots[Guest]) -> None:
    """Who is still served when the grace is over is hung up."""
    serving = admitted(slots, serving=True)

    slots.drain(0)

    assert serving.hung_up.is_set()


def test_draining_waits_for_those_served(slots: Slots[Guest]) -> None:
    """Who leaves within the grace is not hung up."""
    serving = admitted(slots, serving=True)
    leaving = threading.Timer(0.05, slots.release, (serving,))
    leaving.start()

    slots.drain(60)

    assert not serving.hung_up.is_set()


def test_shedding_evicts_one(slots: Slots[Guest]) -> None:
    """Shedding takes the longest waiting one, and does nothing when none waits."""
    first, second = admitted(slots), admitted(slots)

    shed = slots.shed()

    assert shed
    assert first.hung_up.is_set()
    assert not second.hung_up.is_set()
    assert not Slots[Guest](1).shed()
