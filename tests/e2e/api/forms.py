"""Other ways to say a body, where a route takes several: what its one example leaves out."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.e2e.api.operations import Operation

_BY_KEYS = {
    "productMasterId": "{productMasterId}",
    "locationId": "{locationId}",
    "binId": "{binId}",
    "lotId": "{defaultLotId}",
    "type": "INCREASE",
    "quantity": 1,
    "reasonCodeId": "{reasonCodeId}",
}
_BY_LINE = {
    "inventoryItemId": "{inventoryItemId}",
    "type": "INCREASE",
    "quantity": 1,
    "reasonCodeId": "{reasonCodeId}",
}
_OF_LOT = {
    "productMasterId": "{lotProductId}",
    "quantity": 1,
    "uomId": "{uomId}",
    "binId": "{binId}",
    "lotId": "{lotId}",
}

FORMS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "adjustInventory": [_BY_KEYS, {"items": [_BY_KEYS, _BY_LINE]}, {"items": [_BY_LINE]}],
    "changeChannel": [{"locationIds": ["{locationId}"], "active": False}],
    "changeUser": [{"active": False, "expectedVersion": 1}],
    "correctLot": [
        {"inventoryItemId": "{lottedInventoryItemId}", "quantity": 1, "toLotId": "{otherLotId}"},
        {"action": "CORRECT_EXPIRY", "lotId": "{otherLotId}", "expiryDate": "2099-12-31"},
    ],
    "createChannel": [{"code": "B2B", "name": "Trade", "type": "WHOLESALE", "locationIds": ["{locationId}"]}],
    "createInvitation": [
        {
            "email": "new.viewer@{tenant}.example",
            "name": "New viewer",
            "grants": [{"role": "viewer", "locationIds": ["{locationId}"]}, {"role": "counter"}],
        }
    ],
    "decideDestruction": [{"action": "cancel", "comment": "Sold as animal feed", "expectedVersion": 1}],
    "transferForDestruction": [{"lines": [{"inventoryItemId": "{expiredInventoryItemId}"}]}],
    "validateLotControl": [{"barcode": "(01)09506000134352(17)311231(10)AB-123"}],
    "issueInventory": [
        {"locationId": "{locationId}", "lines": [_OF_LOT]},
        {"locationId": "{locationId}", "lines": [{"inventoryItemId": "{inventoryItemId}", "quantity": 1}]},
    ],
    "receiveInventory": [{"locationId": "{locationId}", "lines": [_OF_LOT]}],
    "recordStock": [
        {
            "locationId": "{locationId}",
            "lines": [{"productMasterId": "{unstockedProductMasterId}", "binId": "{otherBinId}", "quantity": 1}],
        }
    ],
    "recordStockAdjustment": [
        {
            "productMasterId": "{lotProductId}",
            "locationId": "{locationId}",
            "complete": False,
            "lines": [{"binId": "{binId}", "lotNumber": "{lotNumber}", "newQty": 900}],
        }
    ],
    "setProductInventoryLevels": [{"sourceLocationId": "{otherLocationId}", "preferredBinId": "{binId}"}],
}


def bodies(operation: Operation) -> list[Any]:
    """The example, and the other forms; one that is None where there is no body."""
    return [operation.example, *FORMS.get(operation.id, ())]
