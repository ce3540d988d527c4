"""Codes by which the integrations surface names what the company has."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

ELSEWHERE = (("locationCode", "otherLocationCode"),)
SYNONYMS = {"identifier": "sku", "skuCode": "sku", "parentCode": "locationCode"}


async def furnish(
    admin: "asyncpg.Connection[Any]",
    tenant_id: UUID,
    facts: Mapping[str, str],
) -> dict[str, str]:
    mark = facts["mark"]
    return {
        "locationCode": f"DC-{mark}",
        "otherLocationCode": f"SHOP-{mark}",
        "spareLocationCode": f"YARD-{mark}",
        "spareSku": f"SPARE-{mark}",
    }
