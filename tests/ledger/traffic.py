"""Random traffic for concurrent clients: from a seed, and with everything in it that a ledger takes."""

import random
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from tests.ledger.builders import Shelf, Warehouse, a_posting, a_reversal, a_transfer, an_act, an_entry


class Traffic:
    """Thinks up one posting after the other; what it learns from answers it uses."""

    def __init__(self, warehouse: Warehouse, seed: int, *, keyed: float = 0.4) -> None:
        self._warehouse = warehouse
        self._chance = random.Random(seed)
        self._shelves = warehouse.shelves()
        self._keyed = keyed
        self._lines: list[UUID] = []
        self._posted: list[Posted] = []
        self._sent: list[Posting] = []

    def learn(self, answer: object) -> None:
        if isinstance(answer, Posted) and not answer.replayed:
            self._lines += [moved.line_id for moved in answer.movements]
            self._posted.append(answer)

    def next(self) -> Posting:
        if self._sent and self._chance.random() < 0.1:
            return self._again()
        posting = self._new()
        if self._chance.random() < self._keyed:
            posting = self._with_key(posting, new_id().hex)
            self._sent.append(posting)
        return posting

    def _again(self) -> Posting:
        """A request that somebody has sent, perhaps at this moment; one of ten has another body by now."""
        old = self._chance.choice(self._sent[-20:])
        assert old.act is not None
        assert old.act.idempotency is not None
        if self._chance.random() < 0.1:
            return self._with_key(self._new(), old.act.idempotency.key)
        return msgspec.structs.replace(old, id=new_id())

    def _with_key(self, posting: Posting, key: str) -> Posting:
        body = msgspec.json.encode(posting)
        return msgspec.structs.replace(posting, act=an_act(self._warehouse.tenant_id, key=key, body=body))

    def _new(self) -> Posting:
        kind = self._chance.choice(["move", "move", "move", "many", "transfer", "count", "set", "back"])
        if kind == "transfer":
            return self._transfer()
        if kind == "back" and self._posted:
            return a_reversal(self._chance.choice(self._posted[-30:]))
        if kind == "count":
            entry = an_entry(self._where(), kind=Kind.COUNT, target=Decimal(self._chance.randint(0, 30)))
            return a_posting(entry, unchanged_ok=self._chance.random() < 0.7)
        if kind == "set":
            guess, target = (Decimal(self._chance.randint(0, 30)) for _ in range(2))
            return a_posting(an_entry(self._where(), kind=Kind.IMPORT, target=target, expected=guess))
        return a_posting(*(self._move() for _ in range(self._chance.randint(2, 5) if kind == "many" else 1)))

    def _move(self) -> Entry:
        amount = self._chance.choice([Decimal(1), Decimal(2), Decimal(5), Decimal(10), Decimal("0.2500")])
        sign = self._chance.choice([1, 1, -1])
        return an_entry(self._where(), amount * sign, kind=Kind.RECEIPT if sign > 0 else Kind.ISSUE)

    def _transfer(self) -> Posting:
        source = self._chance.choice(self._shelves)
        target = self._chance.choice(
            [
                shelf
                for shelf in self._shelves
                if (shelf.product_id, shelf.lot_id) == (source.product_id, source.lot_id)
            ]
        )
        return a_transfer(source, target, self._chance.randint(1, 8))

    def _where(self) -> Shelf | UUID:
        if self._lines and self._chance.random() < 0.5:
            return self._chance.choice(self._lines)
        return self._chance.choice(self._shelves)
