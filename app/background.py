"""What a process does beside answering requests."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol


class Background(Protocol):
    """Runs from `start` to `stop`, over all failures in between."""

    async def start(self) -> None:
        """Begin, and return at once: what it needs may not be there yet."""
        ...

    async def stop(self) -> None:
        """End what has been begun, or leave it so that another process goes on with it."""
        ...


@asynccontextmanager
async def running(backgrounds: Sequence[Background]) -> AsyncGenerator[None]:
    """All of them, from the first to the last, and back."""
    async with AsyncExitStack() as stack:
        for one in backgrounds:
            await one.start()
            stack.push_async_callback(one.stop)
        yield
