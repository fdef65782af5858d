"""The mailbox by itself, without Ray: what workers and the trial actor learn from it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from gluetune.events import Evaluated, TrialEnded
from gluetune.lanes import LaneError, TrialAssignment
from gluetune.lanes.mailbox import MOST_STARTS, SPLITS, Mailbox

ORDER = TrialAssignment(number=4, task="cola", training={}, seed=1, folder="trials/cola-0004")


def evaluated(index: int) -> Evaluated:
    return Evaluated(
        time=0.0,
        number=4,
        index=index,
        step=index,
        epoch=index,
        score=0.5,
        metrics={},
        eval_loss=0.0,
        train_loss=0.0,
        learning_rate=0.0,
    )


END = TrialEnded(time=0.0, number=4, status="finished")


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, timeout=5))


def test_an_order_reaches_the_workers_and_their_reports_come_back() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=1)
        box.assign(ORDER)
        ticket = 1
        order = await box.take("group", 0, 1.0)
        assert order is not None
        assert (order.number, order.ticket) == (4, ticket)
        assert box.report(ticket, evaluated(1))
        assert not box.report(ticket, END)
        assert await box.collect() == evaluated(1)
        assert await box.collect() == END

    play(scene())


def test_who_takes_the_next_order_has_finished_the_last_one() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        box.assign(ORDER)
        assert await box.take("group", 0, 1.0) is not None
        box.report(1, evaluated(1))
        with pytest.raises(TimeoutError):
            await box.take("group", 1, 0.01)
        with pytest.raises(TimeoutError):
            await box.take("group", 1, 0.01)  # and says so once
        assert await box.collect() == evaluated(1)
        end = await box.collect()
        assert (end.event, end.number, end.status) == ("ended", 4, "finished")  # type: ignore[union-attr]
        box.assign(ORDER)
        assert await box.take("group", 1, 1.0) is not None
        box.assign(ORDER)  # Tune ended it
        assert await box.take("group", 2, 1.0) is not None
        assert box.report(3, evaluated(2))
        assert await box.collect() == evaluated(2)  # and nothing of the one before

    play(scene())


def test_a_group_that_died_as_it_waited_for_work_is_not_counted_against_the_next_order() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        dead = asyncio.ensure_future(box.take("dead", 0, 1.0))  # Ray lets it wait on
        await asyncio.sleep(0)
        living = asyncio.ensure_future(box.take("living", 0, 1.0))
        await asyncio.sleep(0)
        box.assign(ORDER)
        assert await dead is None
        order = await living
        assert order is not None
        assert order.number == 4
        assert box.report(1, evaluated(1))

    play(scene())


def test_reports_on_a_withdrawn_order_are_dropped() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        box.assign(ORDER)
        old = 1
        assert box.report(old, evaluated(1))
        box.assign(ORDER)
        new = 2
        await asyncio.wait_for(box.withdrawn(old), 1)
        assert not box.report(old, evaluated(2))
        assert box.report(new, evaluated(3))
        assert await box.collect() == evaluated(3)

    play(scene())


def test_checkpoints_wait_until_the_search_has_gone_on() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        box.assign(ORDER)
        ticket = 1
        first = asyncio.ensure_future(box.collect())
        assert await box.approved(ticket)
        box.report(ticket, evaluated(1))
        await first
        waiting = asyncio.ensure_future(box.approved(ticket))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        second = asyncio.ensure_future(box.collect())  # Tune let the trial go on
        assert await waiting
        box.report(ticket, evaluated(2))
        await second
        waiting = asyncio.ensure_future(box.approved(ticket))
        await asyncio.sleep(0.05)
        box.assign(ORDER)  # Tune ended it
        assert not await waiting

    play(scene())


def test_a_restarted_group_gets_the_same_order_until_it_has_died_too_often() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=1)
        box.assign(ORDER)
        ticket = 1
        await box.take("first", 0, 1.0)
        box.report(ticket, evaluated(1))
        again = await box.take("second", 0, 1.0)
        assert again is not None
        assert again.reported == 1
        with pytest.raises(TimeoutError):
            await box.take("third", 0, 0.05)
        assert await box.collect() == evaluated(1)
        end = await box.collect()
        assert isinstance(end, TrialEnded)
        assert end.status == "failed"
        assert "died 2 times" in end.message

    play(scene())


def test_workers_without_memory_get_the_order_again_with_smaller_batches_and_are_not_to_blame() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        box.assign(replace(ORDER, training={SPLITS: 1, "batch_size": 8}))
        ticket = 1
        await box.take("first", 0, 1.0)
        assert box.smaller(ticket, tried=1, most=4)
        assert box.smaller(ticket, tried=1, most=4)  # the other worker found the same
        again = await box.take("second", 0, 1.0)
        assert again is not None
        assert again.training == {SPLITS: 2, "batch_size": 8}
        assert box.smaller(ticket, tried=2, most=4)
        assert not box.smaller(ticket, tried=4, most=4)
        assert not box.smaller(ticket + 1, tried=1, most=4)

    play(scene())


def test_a_failed_lane_tells_whoever_waits() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        box.assign(ORDER)
        waiting = asyncio.ensure_future(box.collect())
        await asyncio.sleep(0)
        box.close("no such GPU")
        with pytest.raises(LaneError, match="no such GPU"):
            await waiting
        assert await box.take("group", 0, 1.0) is None

    play(scene())


def test_the_first_reason_of_a_lanes_end_is_the_one_that_is_told() -> None:
    """Workers that find the lane closed leave, and Ray Train ends for that reason: it follows from the first."""

    async def scene() -> None:
        box = Mailbox(1)
        box.assign(ORDER)
        for _ in range(MOST_STARTS):
            assert box.started()
            box.complain("the bucket is out of reach")
        assert not box.started()
        box.close("its workers left their loop")
        with pytest.raises(LaneError, match=r"die as they start: the bucket is out of reach"):
            await box.collect()

    play(scene())


def test_of_the_workers_that_die_together_the_first_one_knows_why() -> None:
    async def scene() -> None:
        box = Mailbox(max_failures=0)
        box.assign(ORDER)
        box.started()
        await box.take("first", 0, 1.0)
        box.complain("IndexError: index out of range")
        box.complain("RuntimeError: connection closed by peer")
        box.started()
        with pytest.raises(TimeoutError):
            await box.take("second", 0, 0.05)
        end = await box.collect()
        assert "IndexError: index out of range" in end.message  # type: ignore[union-attr]
        assert "closed by peer" not in end.message  # type: ignore[union-attr]

    play(scene())


def test_a_worker_that_cannot_start_counts_as_one_that_did_and_its_error_is_told() -> None:
    async def scene() -> None:
        box = Mailbox(1)
        assert [box.not_started("ImportError: libcudart.so") for _ in range(MOST_STARTS + 1)] == [True] * 3 + [False]
        with pytest.raises(LaneError, match=r"ImportError: libcudart\.so"):
            await box.collect()

    play(scene())
