"""A lane's mailbox, the start of its workers, and the messages of its errors, without Ray."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from ray.exceptions import RayTaskError

import sample_search
from gluetune.events import Evaluated, TrialEnded
from gluetune.lanes import LaneError, TrialAssignment, describe_deaths, root_cause, worker
from gluetune.lanes.mailbox import ACCUMULATION_FIELD, MAX_START_ATTEMPTS, Mailbox
from gluetune.training import DistributedContext

ASSIGNMENT = TrialAssignment(number=4, task="cola", training={}, seed=1, folder="trials/cola-0004")


def evaluated(index: int) -> Evaluated:
    return sample_search.evaluated(4, index, 0.5)


def give(box: Mailbox, assignment_id: int = 1, **changes: Any) -> None:
    box.assign(replace(ASSIGNMENT, assignment_id=assignment_id, **changes))


END = TrialEnded(time=0.0, number=4, status="finished")


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, timeout=5))


def test_an_assignment_reaches_the_workers_and_their_events_come_back() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=1)
        give(box)
        assignment_id = 1
        assignment = await box.next_assignment("group", 0, 1.0)
        assert assignment is not None
        assert (assignment.number, assignment.assignment_id) == (4, assignment_id)
        assert box.report(assignment_id, evaluated(1))
        assert not box.report(assignment_id, END)
        assert await box.next_event(1) == evaluated(1)
        assert await box.next_event(1) == END

    play(scene())


def test_a_request_for_the_next_assignment_finishes_the_last_one() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        give(box)
        assert await box.next_assignment("group", 0, 1.0) is not None
        box.report(1, evaluated(1))
        with pytest.raises(TimeoutError):
            await box.next_assignment("group", 1, 0.01)
        with pytest.raises(TimeoutError):
            await box.next_assignment("group", 1, 0.01)  # reported once
        assert await box.next_event(1) == evaluated(1)
        end = await box.next_event(1)
        assert (end.event, end.number, end.status) == ("ended", 4, "finished")
        give(box, 2)
        assert await box.next_assignment("group", 1, 1.0) is not None
        give(box, 3)  # Tune ended it
        assert await box.next_assignment("group", 2, 1.0) is not None
        assert box.report(3, evaluated(2))
        assert await box.next_event(3) == evaluated(2)  # and no event of the one before

    play(scene())


def test_a_group_that_died_while_it_waited_is_no_failure_of_the_next_assignment() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        dead = asyncio.ensure_future(box.next_assignment("dead", 0, 1.0))  # its request goes on waiting in Ray
        await asyncio.sleep(0)
        living = asyncio.ensure_future(box.next_assignment("living", 0, 1.0))
        await asyncio.sleep(0)
        give(box)
        assert await dead is None
        assignment = await living
        assert assignment is not None
        assert assignment.number == 4
        assert box.report(1, evaluated(1))

    play(scene())


def test_events_of_a_replaced_assignment_are_dropped() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        give(box)
        old = 1
        assert box.report(old, evaluated(1))
        give(box, 2)
        new = 2
        await asyncio.wait_for(box.wait_for_cancel(old), 1)
        assert not box.report(old, evaluated(2))
        assert box.report(new, evaluated(3))
        assert await box.next_event(2) == evaluated(3)

    play(scene())


def test_checkpoints_wait_for_the_acknowledgement_of_the_search() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        give(box)
        assignment_id = 1
        first = asyncio.ensure_future(box.next_event(1))
        assert await box.wait_for_ack(assignment_id)
        box.report(assignment_id, evaluated(1))
        await first
        waiting = asyncio.ensure_future(box.wait_for_ack(assignment_id))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        second = asyncio.ensure_future(box.next_event(1))  # Tune lets the trial continue
        assert await waiting
        box.report(assignment_id, evaluated(2))
        await second
        waiting = asyncio.ensure_future(box.wait_for_ack(assignment_id))
        await asyncio.sleep(0.05)
        give(box, 2)  # Tune ended it
        assert not await waiting

    play(scene())


def test_an_event_is_returned_again_until_it_is_acknowledged() -> None:
    """The driver fetches the first events of a trial; its Trainable, which starts later, continues where that left."""

    async def scene() -> None:
        box = Mailbox(1)
        give(box)
        box.report(1, evaluated(1))
        box.report(1, evaluated(2))
        assert await box.event_after(1, 0) == (1, evaluated(1))
        driver = asyncio.ensure_future(box.event_after(1, 1))
        await asyncio.sleep(0)
        assert await box.event_after(1, 0) == (2, evaluated(2))  # the first one is acknowledged
        assert await driver == (2, evaluated(2))
        trainable, driver = (asyncio.ensure_future(box.event_after(1, 2)) for _ in range(2))
        await asyncio.sleep(0)
        box.report(1, END)
        assert await trainable == await driver == (3, END)
        late = asyncio.ensure_future(box.event_after(1, 3))
        await asyncio.sleep(0)
        give(box, 2)
        assert await late is None

    play(scene())


def test_a_restarted_group_gets_the_same_assignment_until_it_has_died_too_often() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=1)
        give(box)
        assignment_id = 1
        await box.next_assignment("first", 0, 1.0)
        box.report(assignment_id, evaluated(1))
        again = await box.next_assignment("second", 0, 1.0)
        assert again is not None
        assert again.reported == 1
        box.report(assignment_id, evaluated(2))
        with pytest.raises(TimeoutError):
            await box.next_assignment("third", 0, 0.05)
        assert await box.next_event(1) == evaluated(1)
        assert await box.next_event(1) == evaluated(2).model_copy(update={"worker_deaths": 1})
        end = await box.next_event(1)
        assert isinstance(end, TrialEnded)
        assert end.status == "failed"
        assert "died 2 times" in end.message

    play(scene())


def test_workers_out_of_memory_get_the_assignment_again_with_smaller_batches() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        give(box, training={ACCUMULATION_FIELD: 1, "batch_size": 8})
        assignment_id = 1
        await box.next_assignment("first", 0, 1.0)
        assert box.halve_micro_batch(assignment_id, micro_batches=1, max_micro_batches=4)
        assert box.halve_micro_batch(
            assignment_id, micro_batches=1, max_micro_batches=4
        )  # the other worker reports the same
        again = await box.next_assignment("second", 0, 1.0)
        assert again is not None
        assert again.training == {ACCUMULATION_FIELD: 2, "batch_size": 8}
        assert box.halve_micro_batch(assignment_id, micro_batches=2, max_micro_batches=4)
        assert not box.halve_micro_batch(assignment_id, micro_batches=4, max_micro_batches=4)
        assert not box.halve_micro_batch(assignment_id + 1, micro_batches=1, max_micro_batches=4)

    play(scene())


def test_an_event_can_be_awaited_before_its_assignment_arrives_and_not_after_the_next_one() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        soon = asyncio.ensure_future(box.next_event(2))
        give(box, 1)
        late = asyncio.ensure_future(box.next_event(1))
        await asyncio.sleep(0)
        give(box, 2)
        assert await late is None
        box.report(2, evaluated(1))
        assert await soon == evaluated(1)

    play(scene())


def test_a_cancelled_assignment_ends_even_if_it_arrives_afterwards() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        give(box, 1)
        waiting = asyncio.ensure_future(box.next_event(1))
        await asyncio.sleep(0)
        box.cancel(2)
        give(box, 2)
        assert await waiting is None
        assert await box.next_event(2) is None
        assert not box.report(2, evaluated(1))
        give(box, 3)
        assert box.report(3, evaluated(1))
        box.cancel(2)
        assert await box.next_event(3) == evaluated(1)

    play(scene())


def test_an_overtaken_assignment_does_not_replace_a_later_one() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        give(box, 2)
        give(box, 1)
        assignment = await box.next_assignment("group", 0, 1.0)
        assert assignment is not None
        assert assignment.assignment_id == 2

    play(scene())


def test_a_closed_lane_says_why_and_that_it_was_ready() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        ready, closed = (asyncio.ensure_future(wait) for wait in (box.wait_until_ready(), box.wait_until_closed()))
        give(box)
        await box.next_assignment("group", 0, 1.0)
        await ready
        assert not closed.done()
        box.close("no such GPU")
        assert await closed == "no such GPU"

    play(scene())


def test_a_lane_that_was_closed_on_purpose_has_no_more_events() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        give(box)
        box.close()
        assert await box.next_event(1) is None

    play(scene())


def test_a_failed_lane_ends_every_wait() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        give(box)
        waiting = asyncio.ensure_future(box.next_event(1))
        await asyncio.sleep(0)
        box.close("no such GPU")
        with pytest.raises(LaneError, match="no such GPU"):
            await waiting
        assert await box.next_assignment("group", 0, 1.0) is None

    play(scene())


def test_the_first_reason_of_a_lanes_end_is_reported() -> None:
    """Workers leave a closed lane, and Ray Train then ends: a second reason, which follows from the first."""

    async def scene() -> None:
        box = Mailbox(1)
        give(box)
        for _ in range(MAX_START_ATTEMPTS):
            assert box.register_start()
            box.report_error("the bucket is out of reach")
        assert not box.register_start()
        box.close("its workers left their loop")
        with pytest.raises(LaneError, match=r"die as they start: the bucket is out of reach"):
            await box.next_event(1)

    play(scene())


def test_of_workers_that_die_together_the_first_ones_error_is_reported() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        give(box)
        box.register_start()
        await box.next_assignment("first", 0, 1.0)
        box.report_error("IndexError: index out of range")
        box.report_error("RuntimeError: connection closed by peer")
        box.register_start()
        with pytest.raises(TimeoutError):
            await box.next_assignment("second", 0, 0.05)
        end = await box.next_event(1)
        assert "IndexError: index out of range" in end.message
        assert "closed by peer" not in end.message

    play(scene())


def test_a_failed_start_counts_as_a_start_and_its_error_is_reported() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        assert [box.register_failed_start("ImportError: libcudart.so") for _ in range(MAX_START_ATTEMPTS + 1)] == [
            True
        ] * 3 + [False]
        with pytest.raises(LaneError, match=r"ImportError: libcudart\.so"):
            await box.next_event(1)

    play(scene())


class _Rank(worker.Worker):
    """One of two ranks, with the mailbox's answer to its request for a workload."""

    def __init__(self, rank: int, workload: Any) -> None:
        self.distributed, self._workload_answer = DistributedContext(rank, 2, "cpu"), workload

    def call(self, method: str, *arguments: Any) -> Any:
        return {"register_start": True, "wait_for_workload": self._workload_answer}[method]

    def _check_storage(self) -> None:
        pass


@pytest.mark.parametrize(
    ("first", "second", "starts"),
    [("workload", "workload", True), (None, None, False), (None, "workload", False), ("workload", None, True)],
)
def test_all_workers_of_a_lane_start_or_none_where_it_is_closed_between_their_requests(
    monkeypatch: pytest.MonkeyPatch, first: str | None, second: str | None, starts: bool
) -> None:
    sent: deque[Any] = deque()

    def broadcast(answer: list[Any], src: int) -> None:
        if answer[0] is None:
            answer[0] = sent.popleft()
        else:
            sent.append(answer[0])

    monkeypatch.setattr(worker.distributed, "broadcast_object_list", broadcast)
    assert [_Rank(0, first).start(), _Rank(1, second).start()] == [starts, starts]


def remote_error(cause: Exception) -> RayTaskError:
    """The error that Ray raises for one in another process."""
    return RayTaskError("train", f"Traceback (most recent call last):\n  File ...\n{cause!r}", cause)


def test_gluetunes_errors_are_shown_by_their_message_and_others_with_their_traceback() -> None:
    assert root_cause(remote_error(LaneError("no such GPU"))) == "no such GPU"
    message = root_cause(remote_error(KeyError("x")))
    assert message.splitlines()[-2:] == ["  File ...", "KeyError('x')"]
    assert "\x1b" not in message
    assert root_cause(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([], "its lane died"),
        ([""], "its lane died"),
        (["a"], "its lane died: a"),
        (["a", "a", "a"], "its lane died 3 times: a"),
        (["a", "b", "a"], "its lane died 3 times: a\nlater: b"),
        (["", "b"], "its lane died 2 times: b"),
    ],
)
def test_the_first_reason_of_several_deaths_comes_first(reasons: list[str], expected: str) -> None:
    assert describe_deaths("its lane", reasons) == expected
