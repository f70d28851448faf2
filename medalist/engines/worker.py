"""A worker process, started by `local.py`. Messages in on standard input, messages out on a private pipe.

A message is 8 bytes of length, then a pickle; both ends are this program, nothing is read from disk. Standard output is
pointed at standard error first, so that a library that prints cannot break the protocol. End of input ends the worker.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

HEADER = struct.Struct("<Q")


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message; arrays travel as their bytes."""
    data = pickle.dumps(message, protocol=5)
    pipe.write(HEADER.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Read one message.

    Raises:
        EOFError: the other end is gone.
    """
    (length,) = HEADER.unpack(_exactly(pipe, HEADER.size))
    return pickle.loads(_exactly(pipe, length))  # noqa: S301 - from the parent process, never from disk


def _exactly(pipe: BinaryIO, size: int) -> bytearray:
    """`size` bytes and not one more: what a buffered pipe reads ahead, a selector no longer sees."""
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = pipe.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        view = view[count:]
    return data


def resolve(reference: str) -> Callable[..., Any]:
    """`module:function` -> the function."""
    module, _, name = reference.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def main() -> None:
    """Work off items until the input ends: `(value, None)` or `(None, error text)` for each."""
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    questions: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(questions,), daemon=True).start()
    stages = [(resolve(reference), arguments) for reference, arguments in questions.get()]
    while True:
        send(answers, _work(stages, questions.get()))


def _listen(questions: SimpleQueue[Any]) -> None:
    """Take items off the pipe at once: a parent that waits to hand one over would not read our answer to another."""
    try:
        while True:
            questions.put(receive(sys.stdin.buffer))
    except EOFError:
        os._exit(0)  # the parent is gone; exit handlers of a decoder may hang


def _work(stages: list[tuple[Callable[..., Any], dict[str, Any]]], item: Any) -> tuple[Any, str | None]:
    try:
        return reduce(lambda value, stage: stage[0](value, **stage[1]), stages, item), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
