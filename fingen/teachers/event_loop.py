"""Where coroutines are run to their end, whoever calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; where an event loop runs already, as in a notebook, in a thread with a loop of its own.

    Ctrl-C cancels what runs in the thread, and is raised when that has ended.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun: Future[asyncio.Task[Any] | None] = Future()
    is_wanted: Future[bool] = Future()  # not where Ctrl-C comes while the thread is being started

    async def main() -> T:
        begun.set_result(asyncio.current_task())
        return await work

    def run() -> T:
        if is_wanted.result():
            return asyncio.run(main())
        work.close()
        raise KeyboardInterrupt

    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            ending = thread.submit(run)
            is_wanted.set_result(True)
            return ending.result()
        except KeyboardInterrupt:
            if not is_wanted.done():
                is_wanted.set_result(False)
            elif task := begun.result():
                with suppress(RuntimeError):  # the loop is closed: it has just ended
                    task.get_loop().call_soon_threadsafe(task.cancel)
                wait([ending])
            raise
