"""The plan's steps as the ledger's postings: the plan's numbers become ids."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from domain.access.model import Act
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.demo.documents import Why
from infra.demo.plan import Step
from infra.demo.stock import StockLine

REASON_CODES = {
    Why.DAMAGED: "DAMAGED",
    Why.LOST: "LOST",
    Why.FOUND: "FOUND",
    Why.MISCODED: "MISCODED",
    Why.COUNTED: "COUNT_DIFFERENCE",
    Why.SAMPLE: "SAMPLE",
    Why.CHANNEL: "OTHER",
    Why.CORRECTION: "CORRECTION",
    Why.EXPIRED: "EXPIRED",
}
SHRINK, OTHER = "SHRINK", "OTHER"  # what nobody explains, out and in
UNEXPLAINED = "No reason was given"
# A transfer is one posting with both of its ends: what leaves, and what arrives.
ARRIVES = {Kind.TRANSFER_OUT: Kind.TRANSFER_IN}


class Translator:
    """Knows the id of everything that the plan numbers; `lots` and `lines` grow with its batches."""

    def __init__(
        self,
        *,
        products: Sequence[UUID],
        locations: Sequence[UUID],
        bins: Sequence[UUID],
        reasons: Mapping[str, UUID],
        act: Act | None,
    ) -> None:
        self.lots: list[UUID] = []
        self.lines: list[StockLine] = []
        self._products, self._locations, self._bins = products, locations, bins
        self._reasons = reasons
        self._act = act

    def posting(self, step: Step) -> Posting:
        """One step as one posting; a product without lots is left to the ledger to find its default lot."""
        reason, comment = self._explained(step) if step.why else (None, None)
        entries = []
        for number, qty in step.lines:
            line = self.lines[number]
            entries.append(
                Entry(
                    kind=ARRIVES.get(step.kind, step.kind) if qty > 0 else step.kind,
                    product_id=self._products[line.product],
                    location_id=self._locations[line.location],
                    bin_id=self._bins[line.bin],
                    lot_id=None if line.lot is None else self.lots[line.lot],
                    delta=_decimal(qty),
                    reason_code_id=reason,
                    comment=comment,
                    effective_at=step.at,
                )
            )
        return Posting(
            id=new_id(),
            kind=step.kind,
            entries=tuple(entries),
            source_type=step.source_type,
            source_id=step.source_id,
            comment=None if reason else step.comment,
            act=self._act,
        )

    def _explained(self, step: Step) -> tuple[UUID, str | None]:
        """The reason code of a correction, and the clerk's note, which like the reason belongs to the movement."""
        assert step.why is not None
        if step.why is Why.UNEXPLAINED:
            _, qty = step.lines[0]
            return self._reasons[OTHER if qty > 0 else SHRINK], step.comment or UNEXPLAINED
        return self._reasons[REASON_CODES[step.why]], step.comment


@lru_cache(maxsize=4096)
def _decimal(qty: int) -> Decimal:
    return Decimal(qty)
