"""Where the movements of a posting happened, in the words of people: bins and lots."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

import msgspec

from domain.ledger.model import Posted


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The bin and the lot of a stock line; the default lot has the number ''."""

    bin_id: UUID
    bin_code: str
    lot_id: UUID
    lot_number: str
    expires_on: date | None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A posting, with the place of each stock line that it moved."""

    posted: Posted
    places: Mapping[UUID, Place]
