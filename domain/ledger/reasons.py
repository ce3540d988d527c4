"""The reason codes that a tenant begins with, by line of business; it may add its own and switch these off."""

from enum import StrEnum

import msgspec

from domain.ledger.model import Direction


class Pack(StrEnum):
    """A line of business."""

    GENERAL = "general"
    HEALTHCARE = "healthcare"
    RETAIL = "retail"
    MANUFACTURING = "manufacturing"


class DefaultReason(msgspec.Struct, frozen=True):
    """A reason code before it is a tenant's."""

    code: str
    name: str
    direction: Direction
    requires_comment: bool = False
    requires_root_cause: bool = False


_IN, _OUT, _BOTH = Direction.IN, Direction.OUT, Direction.BOTH

# What is stolen, lost or thrown away is asked about later: somebody must have said why at the time.
PACKS: dict[Pack, tuple[DefaultReason, ...]] = {
    Pack.GENERAL: (
        DefaultReason("COUNT_DIFFERENCE", "Difference found by counting", _BOTH),
        DefaultReason("CONSUMED", "Used within the house", _OUT),
        DefaultReason("CORRECTION", "Correction of an earlier entry", _BOTH, requires_comment=True),
        DefaultReason("DAMAGED", "Damaged", _OUT),
        DefaultReason("DATA_ENTRY", "Typing error", _BOTH),
        DefaultReason("EXPIRED", "Past its expiry date", _OUT),
        DefaultReason("FOUND", "Found", _IN),
        DefaultReason("LOST", "Lost", _OUT, requires_comment=True),
        DefaultReason("MISCODED", "Booked under the wrong code", _BOTH),
        DefaultReason("OTHER", "Something else", _BOTH, requires_comment=True),
        DefaultReason("RETURN", "Returned to stock", _IN),
        DefaultReason("SAMPLE", "Given away as a sample", _OUT),
        DefaultReason("SCRAP", "Scrapped", _OUT, requires_comment=True),
        DefaultReason("THEFT", "Stolen", _OUT, requires_comment=True, requires_root_cause=True),
    ),
    Pack.HEALTHCARE: (
        DefaultReason("COLD_CHAIN_BREACH", "Cold chain broken", _OUT, True, True),
        DefaultReason("CONTAMINATED", "Contaminated", _OUT, True, True),
        DefaultReason("DIVERSION", "Controlled substance unaccounted for", _OUT, True, True),
        DefaultReason("PATIENT_DISPENSE", "Dispensed to a patient", _OUT),
        DefaultReason("PATIENT_RETURN", "Returned by a patient, fit for use", _IN, requires_comment=True),
        DefaultReason("RECALL", "Withdrawn by a recall", _OUT, requires_comment=True),
        DefaultReason("WASTED_DOSE", "Rest of a dose discarded", _OUT, requires_comment=True),
    ),
    Pack.RETAIL: (
        DefaultReason("CUSTOMER_RETURN", "Returned by a customer, fit for sale", _IN),
        DefaultReason("DISPLAY", "Put on display", _OUT),
        DefaultReason("DONATION", "Donated", _OUT),
        DefaultReason("SHRINK", "Shrinkage without a known cause", _OUT),
        DefaultReason("SUPPLIER_SHORTAGE", "Less delivered than the papers said", _OUT),
        DefaultReason("SUPPLIER_OVERAGE", "More delivered than the papers said", _IN),
    ),
    Pack.MANUFACTURING: (
        DefaultReason("QUALITY_REJECT", "Failed inspection", _OUT, requires_root_cause=True),
        DefaultReason("REWORK", "Sent to rework, or back from it", _BOTH),
        DefaultReason("WO_ISSUE", "Issued to a work order", _OUT),
        DefaultReason("WO_RETURN", "Left over from a work order", _IN),
        DefaultReason("WO_YIELD", "Yield differs from the recipe", _BOTH, requires_comment=True),
    ),
}


def reasons_of(*packs: Pack) -> tuple[tuple[Pack, DefaultReason], ...]:
    """The codes of these packs, each once; the general ones come with all of them."""
    chosen = dict.fromkeys((Pack.GENERAL, *packs))
    return tuple((pack, reason) for pack in chosen for reason in PACKS[pack])
