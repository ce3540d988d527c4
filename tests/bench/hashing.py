"""A process that checks one password over and over: the limit of logins."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from infra.access.passwords import HASHER
from tests.bench.runs import Taken, percentiles


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    password: str
    hashed: str
    threads: int
    seconds: float
    warm_seconds: float


def check(asked: Asked) -> Taken:
    """As many checks as fit."""
    start = time.perf_counter() + asked.warm_seconds
    began_at = time.time() + asked.warm_seconds
    end = start + asked.seconds

    def one_thread(_: int) -> list[float]:
        took = []
        while (began := time.perf_counter()) < end:
            HASHER.verify(asked.hashed, asked.password)
            if began >= start:
                took.append(1000 * (time.perf_counter() - began))
        return took

    with ThreadPoolExecutor(max_workers=asked.threads) as threads:
        ordered = sorted(ms for took in threads.map(one_thread, range(asked.threads)) for ms in took)
    p50, p95, p99, longest = percentiles(ordered)
    return Taken(
        began_at=began_at,
        seconds=asked.seconds,
        requests=len(ordered),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=longest,
        sent=len(ordered),
        acknowledged=len(ordered),
        client_cpu=sum(ordered) / 1000,
    )


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    sys.stdout.buffer.write(msgspec.json.encode(check(asked)))
