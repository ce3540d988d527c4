"""Locations, areas and bins."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.model import Area, Bin, Location
from domain.catalog.ports import CatalogWork
from domain.catalog.rules import (
    bin_problems,
    checked,
    checked_all,
    location_problems,
    no_problems,
    require_everywhere,
)
from domain.catalog.service import (
    Changes,
    added,
    added_many,
    changed,
    found,
    removed,
    replaced,
    require_version,
    told_of,
    told_of_many,
)
from domain.catalog.views import AreaView, BinView, LocationView
from domain.errors import DomainError, Reason
from domain.values import new_id

AREA, BIN, LOCATION = "area", "bin", "location"
DEFAULT_BIN = "DEFAULT"


async def create_location(work: CatalogWork, *, act: Act, location: Location) -> LocationView:
    """Create a location with its default bin, in the tenant's time zone unless it names one.

    Whoever is limited to locations cannot make others.
    """
    require_everywhere(act)
    if not location.time_zone:
        zone = (await work.tenant_settings()).default_time_zone
        location = msgspec.structs.replace(location, time_zone=zone)
    location = checked(location, location_problems)
    id_ = new_id()
    await work.locations.add({id_: location})
    await _default_bins(work, [id_])
    return await told_of(work, work.locations, LOCATION, id_, location, locations=[id_])


async def create_locations_many(
    work: CatalogWork, *, act: Act, locations: Sequence[Location], at: str = "locations"
) -> Sequence[UUID]:
    """Create locations with their default bins by the same rules; their ids, in their order."""
    require_everywhere(act)
    if not locations:
        return ()
    rows = {new_id(): location for location in checked_all(locations, location_problems, at=at)}
    await work.locations.add(rows)
    await _default_bins(work, list(rows))
    await told_of_many(work, LOCATION, tuple(rows), locations=tuple(rows))
    return tuple(rows)


async def change_location(
    work: CatalogWork, *, act: Act, location_id: UUID, changes: Changes, expected_version: int | None
) -> LocationView:
    stored = await found(work.locations, LOCATION, location_id)
    act.caller.require_location(act.permission, location_id)
    require_version(stored, LOCATION, expected_version)
    location = checked(replaced(stored.facts, changes), location_problems)
    return await changed(work, work.locations, LOCATION, stored, location, locations=[location_id])


async def delete_location(
    work: CatalogWork, *, act: Act, location_id: UUID, expected_version: int | None = None
) -> None:
    stored = await found(work.locations, LOCATION, location_id)
    act.caller.require_location(act.permission, location_id)
    require_version(stored, LOCATION, expected_version)
    await removed(work, work.locations, LOCATION, stored, locations=[location_id])


async def create_area(work: CatalogWork, *, act: Act, area: Area) -> AreaView:
    act.caller.require_location(act.permission, area.location_id)
    area = checked(area, no_problems)
    return await added(work, work.areas, AREA, area, locations=[area.location_id])


async def create_areas_many(
    work: CatalogWork, *, act: Act, areas: Sequence[Area], at: str = "areas"
) -> Sequence[UUID]:
    locations = _require_locations(act, areas)
    return await added_many(work, work.areas, AREA, checked_all(areas, no_problems, at=at), locations=locations)


async def change_area(
    work: CatalogWork, *, act: Act, area_id: UUID, changes: Changes, expected_version: int | None
) -> AreaView:
    stored = await found(work.areas, AREA, area_id)
    location_id = stored.facts.location_id
    act.caller.require_location(act.permission, location_id)
    require_version(stored, AREA, expected_version)
    area = checked(replaced(stored.facts, changes), no_problems)
    return await changed(work, work.areas, AREA, stored, area, locations=[location_id])


async def delete_area(work: CatalogWork, *, act: Act, area_id: UUID, expected_version: int | None = None) -> None:
    stored = await found(work.areas, AREA, area_id)
    location_id = stored.facts.location_id
    act.caller.require_location(act.permission, location_id)
    require_version(stored, AREA, expected_version)
    await removed(work, work.areas, AREA, stored, locations=[location_id])


async def create_bin(work: CatalogWork, *, act: Act, place: Bin) -> BinView:
    act.caller.require_location(act.permission, place.location_id)
    place = checked(place, bin_problems)
    return await added(work, work.bins, BIN, place, locations=[place.location_id])


async def create_bins_many(
    work: CatalogWork, *, act: Act, bins: Sequence[Bin], at: str = "bins"
) -> Sequence[UUID]:
    """Create thousands of bins by the same rules; their ids, in their order. Two statements."""
    locations = _require_locations(act, bins)
    return await added_many(work, work.bins, BIN, checked_all(bins, bin_problems, at=at), locations=locations)


async def change_bin(
    work: CatalogWork, *, act: Act, bin_id: UUID, changes: Changes, expected_version: int | None
) -> BinView:
    """Change a bin; between types that sell and types that do not, only before stock has ever been in it.

    What may be sold is summed up by the ledger as stock moves, and the ledger reads the bin's type without a lock,
    as each lock would cost every posting. An empty line of the past could therefore be filled by a posting that
    still saw the old type. A line that is not there yet cannot: making one waits for our lock on the bin. So the
    question is whether stock lines refer to the bin, empty or not.
    """
    stored = await found(work.bins, BIN, bin_id)
    location_id = stored.facts.location_id
    act.caller.require_location(act.permission, location_id)
    require_version(stored, BIN, expected_version)
    place = checked(replaced(stored.facts, changes), bin_problems)
    if place.type.is_sellable != stored.facts.type.is_sellable and await work.is_stocked(bin_id):
        before, after = stored.facts.type, place.type
        message = (
            f"Stock is or was kept in this bin, and whether it may be sold depends on the type: it cannot become "
            f"{after} from {before}. Rename and deactivate it, and create a new bin of the type {after}"
        )
        raise DomainError(Reason.IN_USE, message, field="type")
    return await changed(work, work.bins, BIN, stored, place, locations=[location_id])


async def delete_bin(work: CatalogWork, *, act: Act, bin_id: UUID, expected_version: int | None = None) -> None:
    stored = await found(work.bins, BIN, bin_id)
    location_id = stored.facts.location_id
    act.caller.require_location(act.permission, location_id)
    require_version(stored, BIN, expected_version)
    if stored.facts.is_default:
        raise DomainError(Reason.IN_USE, "It is the default bin of its location and goes only with it")
    await removed(work, work.bins, BIN, stored, locations=[location_id])


async def _default_bins(work: CatalogWork, location_ids: Sequence[UUID]) -> None:
    """Stock for which no bin is named is in a bin too: rows, never nulls."""
    await work.bins.add(
        {
            new_id(): Bin(location_id=id_, code=DEFAULT_BIN, name="Default bin", is_default=True)
            for id_ in location_ids
        }
    )


def _require_locations(act: Act, places: Sequence[Area] | Sequence[Bin]) -> Sequence[UUID]:
    locations = sorted({place.location_id for place in places})
    for location_id in locations:
        act.caller.require_location(act.permission, location_id)
    return locations
