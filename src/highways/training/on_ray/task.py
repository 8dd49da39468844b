"""What a worker of the cluster does: train a group, and tell the driver of every epoch and every state."""

# pyright: reportMissingImports=false
# Ray is an extra: it need not be there.

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ray
from ray.util.queue import Queue

from highways.data import DataSet
from highways.errors import HighwaysError
from highways.tracking.events import Event
from highways.training.engines import reason_of
from highways.training.execute import Job, Resume, Trained, train
from highways.training.on_ray.cluster import check_same, looker

LAST = 100
"""Messages that a worker waits for at its end: no message is overtaken by so many."""


@dataclass(frozen=True)
class Order:
    """A group that is sent to a worker.

    Attributes:
        number: Of the order, new for every attempt; it comes back with every message.
        job: The group.
        state: What its training goes on from; `None` for the start.
        place: Where the driver keeps that state, for messages.
        every_s: Seconds of training that may be lost.
        versions: What the driver runs; see `highways.training.on_ray.cluster.looker`.
    """

    number: int
    job: Job
    state: bytes | None
    place: str
    every_s: float
    versions: Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """A group that could not be trained.

    Attributes:
        reason: In one line.
        for_good: Of the user's making: to try again is of no use.
    """

    reason: str
    for_good: bool


def fulfil(order: Order, data: DataSet, messages: Queue) -> list[Trained] | Failed:
    """Train a group and return what came of its runs; runs on a worker, which needs no file of the project.

    Nothing is waited for while it trains: whenever a task does, Ray gives its processor to another one.

    Args:
        order: The group.
        data: Its data set.
        messages: Takes the messages: the number of the order, that of the message, counted from 0, and what happened
            or the state that its training has reached. Some may be swapped; all have arrived when the outcome is
            returned.
    """
    mailbox: Any = messages.actor
    sent: deque[ray.ObjectRef[None]] = deque(maxlen=LAST)
    numbers = itertools.count()

    def send(content: Event | bytes) -> None:
        sent.append(mailbox.put.remote((order.number, next(numbers), content)))

    try:
        check_same(order.versions, _versions(), ray.util.get_node_ip_address())
        return train(order.job, data, Resume(order.state, order.place, order.every_s, send), send)
    except HighwaysError as error:
        return Failed(str(error), for_good=True)
    except Exception as error:
        return Failed(reason_of(error), for_good=False)
    finally:
        ray.get(list(sent))


@lru_cache(maxsize=1)
def _versions() -> dict[str, Any]:
    return looker()()
