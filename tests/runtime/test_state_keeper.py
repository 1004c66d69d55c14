"""What a controller learns is written every so often and at the end, and never ends a run."""

import logging
import threading

from edgert.errors import ArtifactError
from edgert.records import ControllerState
from edgert.runtime.state_keeper import StateKeeper
from tests.runtime.fakes import Rig


class Learner:
    """Has learned as much as it was asked for its state."""

    def __init__(self):
        self.asked = 0

    def state(self):
        self.asked += 1
        return ControllerState(family="f", device="d", profile="p", spent_j=float(self.asked))


def kept(learner, *, every_s=10.0, save=None):
    states = []
    return states, StateKeeper(learner, save or states.append, every_s=every_s)


def settle(keeper):
    if keeper._writing is not None:
        keeper._writing.join()


def spent(states):
    return [state.spent_j for state in states]


def test_it_is_written_every_so_often_and_at_the_end():
    states, keeper = kept(Learner())
    for now_s in (100, 105, 109.9, 110, 115, 119.9, 120.5, 131):
        keeper.after_frame(now_s)
        settle(keeper)
    assert spent(states) == [1, 2, 3]
    keeper.close()
    keeper.close()
    assert spent(states) == [1, 2, 3, 4]


def test_who_is_in_a_hurry_waits_for_a_frame_only_and_once():
    states, keeper = kept(Learner())
    keeper.after_frame(100)
    keeper.after_frame(101)
    assert states == []
    keeper.hasten()
    for now_s in (102, 103, 111.9):
        keeper.after_frame(now_s)
        settle(keeper)
    assert spent(states) == [1]
    keeper.after_frame(112)
    settle(keeper)
    assert spent(states) == [1, 2]


def test_a_run_without_frames_leaves_what_is_on_file():
    states, keeper = kept(Learner())
    keeper.close()
    assert states == []


def test_a_slow_disk_holds_nobody_up_and_the_last_word_is_last():
    begun, go_on, states = threading.Event(), threading.Event(), []

    def save(state):
        if not states:
            begun.set()
            go_on.wait(timeout=30)
        states.append(state)

    learner = Learner()
    _, keeper = kept(learner, every_s=1.0, save=save)
    for now_s in range(5):
        keeper.after_frame(float(now_s))
        if now_s == 1:
            assert begun.wait(timeout=30)
    assert learner.asked == 1  # one write under way is enough
    go_on.set()
    keeper.close()
    assert spent(states) == [1, 2]


def test_a_disk_that_fails_is_a_warning(caplog):
    def save(state):
        raise ArtifactError("write s", expected="room", got="none", advice="Free some")

    _, keeper = kept(Learner(), every_s=1.0, save=save)
    with caplog.at_level(logging.WARNING):
        keeper.after_frame(0.0)
        keeper.after_frame(1.0)
        settle(keeper)
        keeper.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the controller's state is not kept: write s: expected room, got none. Free some."
    ] * 2


def test_the_loop_s_time_is_the_keeper_s():
    states, keeper = kept(Learner(), every_s=0.3)
    rig = Rig(frames=20, after_frame=lambda now_s: (keeper.after_frame(now_s), settle(keeper)))
    rig.run()
    assert spent(states) == [1, 2, 3]  # frames every 69 ms: at 0.345, 0.69 and 1.035 s
