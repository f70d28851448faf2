"""A worker process, started by `local.py`. Messages come and go on private copies of standard input and output.

A message is 8 bytes of length, then a pickle; both ends are this program, nothing is read from disk. Standard input is
pointed at nothing and standard output at standard error, so that a library that reads or prints cannot break the
protocol. End of input ends the worker.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import time
import traceback
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

HEADER = struct.Struct("<Q")
CANNOT_IMPORT = 69  # exit status


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message, in one piece: each write to a pipe wakes its reader. Arrays travel as their bytes."""
    data = pickle.dumps(message, protocol=5)
    pipe.write(HEADER.pack(len(data)) + data)
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
    """Work off items until the input ends: `(value, error text or None, processor seconds)` for each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent ends its workers
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    inbox = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    questions: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(inbox, questions), daemon=True).start()
    try:
        stages = [(resolve(reference), arguments) for reference, arguments in questions.get()]
    except Exception:
        traceback.print_exc()
        os._exit(CANNOT_IMPORT)
    while True:
        send(answers, _work(stages, questions.get()))


def _listen(inbox: BinaryIO, questions: SimpleQueue[Any]) -> None:
    """Take items off the pipe at once: a parent that waits to hand one over would not read our answer to another."""
    try:
        while True:
            questions.put(receive(inbox))
    except EOFError:
        os._exit(0)  # the parent is gone; exit handlers of a decoder may hang


def _work(stages: list[tuple[Callable[..., Any], dict[str, Any]]], item: Any) -> tuple[Any, str | None, float]:
    start = time.process_time()
    try:
        value, error = reduce(lambda value, stage: stage[0](value, **stage[1]), stages, item), None
    except Exception as failure:
        value, error = None, f"{type(failure).__name__}: {failure}"
    return value, error, time.process_time() - start
