"""Transfers as statements read them: one row of JSON each, in the shape of the answer."""

import msgspec

from domain.transfers.model import Transfer, TransferSummary

HEAD = """
    'id', t.id, 'number', t.number, 'type', t.type, 'state', t.state,
    'originLocationId', o.id, 'originLocationCode', o.code, 'originLocationName', o.name,
    'destinationLocationId', d.id, 'destinationLocationCode', d.code, 'destinationLocationName', d.name,
    'sourceType', t.source_type, 'sourceId', t.source_id, 'reference', t.reference, 'dueOn', t.due_on,
    'overdue', coalesce(t.due_on < d.today, false) AND t.state NOT IN ('RECEIVED', 'COMPLETED', 'CANCELED'),
    'comment', t.comment, 'actor', t.actor, 'shippedAt', t.shipped_at, 'receivedAt', t.received_at,
    'closedAt', t.closed_at, 'version', t.version, 'createdAt', t.created_at, 'updatedAt', t.updated_at
"""
ENDS = """
    CROSS JOIN LATERAL (
        SELECT x.id, x.code, x.name FROM locations x
        WHERE x.tenant_id = t.tenant_id AND x.id = t.origin_location_id OFFSET 0
    ) o
    CROSS JOIN LATERAL (
        SELECT x.id, x.code, x.name, (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
        WHERE x.tenant_id = t.tenant_id AND x.id = t.destination_location_id OFFSET 0
    ) d
"""
# What the picks of a line `i`, or of a whole transfer, add up to.
SUMS = """
    coalesce(sum(p.reserved), 0) AS reserved, coalesce(sum(p.picked), 0) AS picked,
    coalesce(sum(p.shipped), 0) AS shipped, coalesce(sum(p.received), 0) AS received,
    coalesce(sum(p.lost), 0) AS lost, coalesce(sum(p.returned), 0) AS returned,
    coalesce(sum(p.shipped - p.received - p.lost - p.returned), 0) AS in_transit
"""
_LINES = f"""(
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', i.id, 'number', i.number, 'productMasterId', i.product_id, 'globalSku', a.sku,
        'productName', a.name, 'lotId', i.lot_id, 'lotNumber', nullif(l.number, ''),
        'fromBinId', i.from_bin_id, 'fromBinCode', f.code, 'toBinId', i.to_bin_id, 'toBinCode', g.code,
        'quantity', trim_scale(i.quantity), 'reserved', trim_scale(s.reserved), 'picked', trim_scale(s.picked),
        'shipped', trim_scale(s.shipped), 'received', trim_scale(s.received), 'lost', trim_scale(s.lost),
        'returned', trim_scale(s.returned), 'inTransit', trim_scale(s.in_transit),
        'surplus', trim_scale(i.surplus), 'supplyId', i.supply_id, 'pickReason', i.pick_reason,
        'discrepancyReason', i.discrepancy_reason, 'note', i.note, 'picks', s.picks) ORDER BY i.number), '[]')
    FROM (SELECT * FROM transfer_lines x WHERE x.tenant_id = t.tenant_id AND x.transfer_id = t.id OFFSET 0) i
    CROSS JOIN LATERAL (
        SELECT x.sku, x.name FROM products x WHERE x.tenant_id = t.tenant_id AND x.id = i.product_id OFFSET 0
    ) a
    LEFT JOIN LATERAL (
        SELECT x.number FROM lots x WHERE x.tenant_id = t.tenant_id AND x.id = i.lot_id OFFSET 0
    ) l ON true
    LEFT JOIN LATERAL (
        SELECT x.code FROM bins x WHERE x.tenant_id = t.tenant_id AND x.id = i.from_bin_id OFFSET 0
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT x.code FROM bins x WHERE x.tenant_id = t.tenant_id AND x.id = i.to_bin_id OFFSET 0
    ) g ON true
    CROSS JOIN LATERAL (
        SELECT {SUMS}, coalesce(jsonb_agg(jsonb_build_object(
            'id', p.id, 'inventoryItemId', p.stock_line_id, 'transitItemId', p.transit_line_id,
            'claimId', p.claim_id, 'lotId', k.lot_id, 'lotNumber', nullif(n.number, ''),
            'expiryDate', n.expires_on, 'binId', k.bin_id, 'binCode', b.code,
            'reserved', trim_scale(p.reserved), 'picked', trim_scale(p.picked),
            'shipped', trim_scale(p.shipped), 'received', trim_scale(p.received), 'lost', trim_scale(p.lost),
            'returned', trim_scale(p.returned),
            'inTransit', trim_scale(p.shipped - p.received - p.lost - p.returned)) ORDER BY p.id), '[]') AS picks
        FROM (
            SELECT * FROM transfer_picks x
            WHERE x.tenant_id = t.tenant_id AND x.line_id = i.id OFFSET 0
        ) p
        CROSS JOIN LATERAL (
            SELECT x.lot_id, x.bin_id FROM stock_lines x
            WHERE x.tenant_id = t.tenant_id AND x.id = p.stock_line_id OFFSET 0
        ) k
        CROSS JOIN LATERAL (
            SELECT x.number, x.expires_on FROM lots x WHERE x.tenant_id = t.tenant_id AND x.id = k.lot_id OFFSET 0
        ) n
        CROSS JOIN LATERAL (
            SELECT x.code FROM bins x WHERE x.tenant_id = t.tenant_id AND x.id = k.bin_id OFFSET 0
        ) b
    ) s
)"""  # noqa: S608 - of constants
_RECEIPTS = """(
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'kind', r.kind, 'transactionId', r.posting_id,
        'lines', r.lines, 'comment', r.comment, 'actor', r.actor,
        'recordedAt', r.recorded_at) ORDER BY r.id), '[]')
    FROM transfer_receipts r WHERE r.tenant_id = t.tenant_id AND r.transfer_id = t.id
)"""
_HISTORY = """(
    SELECT coalesce(jsonb_agg(jsonb_build_object('action', h.action, 'fromState', h.from_state,
        'toState', h.to_state, 'comment', h.comment, 'actor', h.actor, 'recordedAt', h.recorded_at,
        'details', h.details) ORDER BY h.id), '[]')
    FROM document_history h WHERE h.tenant_id = t.tenant_id AND h.document_id = t.id AND h.type = 'TRANSFER'
)"""
TRANSFER = f"""
    SELECT jsonb_build_object({HEAD}, 'shipTransactionId', t.ship_posting_id, 'lines', {_LINES},
        'receipts', {_RECEIPTS}, 'history', {_HISTORY})
    FROM transfers t {ENDS} WHERE t.tenant_id = $1 AND t.id = $2
"""  # noqa: S608 - of constants
SUMMARY = f"""jsonb_build_object({HEAD}, 'lineCount', c.lines, 'quantity', trim_scale(c.quantity),
    'shipped', trim_scale(s.shipped), 'received', trim_scale(s.received), 'inTransit', trim_scale(s.in_transit))"""

decode_transfer = msgspec.json.Decoder(Transfer).decode
decode_summary = msgspec.json.Decoder(TransferSummary).decode
