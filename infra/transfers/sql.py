"""The statements of transfers. Each look-up of rows is one by full key, whatever the statistics say."""

NAMED = """
    SELECT 'location' AS what, x.id, NULL::uuid AS parent, x.type AS text, x.is_active AS active,
        (now() AT TIME ZONE x.time_zone)::date AS today
    FROM locations x WHERE x.tenant_id = $1 AND x.id = ANY ($2)
    UNION ALL
    SELECT 'product', x.id, NULL, NULL, x.is_active, NULL FROM products x
    WHERE x.tenant_id = $1 AND x.id = ANY ($3)
    UNION ALL
    SELECT 'lot', x.id, x.product_id, NULL, true, NULL FROM lots x WHERE x.tenant_id = $1 AND x.id = ANY ($4)
    UNION ALL
    SELECT 'bin', x.id, x.location_id, x.code, x.is_active, NULL FROM bins x
    WHERE x.tenant_id = $1 AND x.id = ANY ($5)
"""
ADD = """
    INSERT INTO transfers (tenant_id, id, number, type, state, origin_location_id, destination_location_id,
        source_type, source_id, reference, due_on, comment, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
ADD_LINES = """
    INSERT INTO transfer_lines (tenant_id, transfer_id, id, number, product_id, lot_id, from_bin_id, to_bin_id,
        quantity, note)
    SELECT $1, $2, q.id, q.n, q.product_id, q.lot_id, q.from_bin_id, q.to_bin_id, q.quantity, q.note
    FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::numeric[], $9::text[])
        WITH ORDINALITY AS q(id, product_id, lot_id, from_bin_id, to_bin_id, quantity, note, n)
"""
REPLACE = """
    UPDATE transfers SET reference = $3, due_on = $4, comment = $5, version = version + 1,
        updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2
"""
REMOVE_LINES = "DELETE FROM transfer_lines WHERE tenant_id = $1 AND transfer_id = $2"
LOCK = "SELECT true FROM transfers WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
MOVE = """
    UPDATE transfers SET state = $3, version = version + 1, updated_at = clock_timestamp(),
        ship_posting_id = coalesce($4, ship_posting_id),
        shipped_at = CASE WHEN $3 = 'IN_TRANSIT' AND shipped_at IS NULL
            OR $3 = 'COMPLETED' AND type = 'INTERNAL' THEN clock_timestamp() ELSE shipped_at END,
        received_at = CASE WHEN $3 = 'RECEIVED' AND received_at IS NULL
            OR $3 = 'COMPLETED' AND type = 'INTERNAL' THEN clock_timestamp() ELSE received_at END,
        closed_at = CASE WHEN $3 IN ('COMPLETED', 'CANCELED') THEN clock_timestamp() END
    WHERE tenant_id = $1 AND id = $2
"""
_PICKS = """jsonb_to_recordset($%d::jsonb) AS q(id uuid, line_id uuid, stock_line_id uuid, transit_line_id uuid,
    claim_id uuid, reserved numeric, picked numeric, shipped numeric, received numeric, lost numeric,
    returned numeric)"""
ADD_PICKS = f"""
    INSERT INTO transfer_picks (tenant_id, transfer_id, id, line_id, stock_line_id, transit_line_id, claim_id,
        reserved, picked, shipped, received, lost, returned)
    SELECT $1, $2, q.* FROM {_PICKS % 3}
"""  # noqa: S608 - of constants
SET_PICKS = f"""
    UPDATE transfer_picks p SET transit_line_id = q.transit_line_id, reserved = q.reserved, picked = q.picked,
        shipped = q.shipped, received = q.received, lost = q.lost, returned = q.returned
    FROM {_PICKS % 2} WHERE p.tenant_id = $1 AND p.id = q.id
"""  # noqa: S608 - of constants
CHANGE_LINE = """
    UPDATE transfer_lines SET surplus = surplus + $3, pick_reason = coalesce($4, pick_reason),
        discrepancy_reason = coalesce($5, discrepancy_reason), supply_id = coalesce($6, supply_id)
    WHERE tenant_id = $1 AND id = $2
"""
SHELVES = """
    SELECT s.id AS line_id, s.lot_id, s.bin_id, b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE') AS sells,
        s.on_hand - s.held - s.reserved
            -- a claim that has run out counts by the clock
            + CASE WHEN s.reserved > 0 THEN ledger_lapsed($1, s.id, clock_timestamp()) ELSE 0 END AS free
    FROM (
        SELECT * FROM stock_lines x
        WHERE x.tenant_id = $1 AND x.product_id = $2 AND x.location_id = $3 AND x.on_hand > 0 OFFSET 0
    ) s
    CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = s.bin_id OFFSET 0) b
    CROSS JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = s.lot_id OFFSET 0) t
    ORDER BY t.expires_on NULLS LAST, s.created_at, s.id
"""
# Locked by id, before any stock line.
LOCK_BINS = """
    SELECT b.id FROM (SELECT DISTINCT x.id FROM unnest($2::uuid[]) AS x(id) ORDER BY x.id) w
    CROSS JOIN LATERAL (
        SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = w.id FOR NO KEY UPDATE
    ) b
"""
ROOMS = """
    SELECT b.id AS bin_id, b.code, b.mixing, b.capacity_units AS capacity, c.filled, c.products, c.lots
    FROM unnest($2::uuid[]) AS w(id)
    CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = w.id OFFSET 0) b
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.on_hand), 0) AS filled, coalesce(array_agg(x.product_id), '{}') AS products,
            coalesce(array_agg(x.lot_id), '{}') AS lots
        FROM stock_lines x
        WHERE x.tenant_id = $1 AND x.bin_id = b.id AND x.on_hand > 0
            AND (b.mixing <> 'ANY' OR b.capacity_units IS NOT NULL)
    ) c
"""
PLACES = """
    SELECT s.id AS line_id, s.product_id, s.lot_id FROM unnest($2::uuid[]) AS w(id)
    CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = w.id OFFSET 0) s
"""
# A bin of type HOLD: what is in it can be neither claimed nor issued, and counts as available nowhere.
TRANSIT = """
    SELECT l.id AS location_id, b.id AS bin_id FROM locations l
    JOIN bins b ON b.tenant_id = l.tenant_id AND b.location_id = l.id AND b.code = 'TRANSIT' AND b.type = 'HOLD'
    WHERE l.tenant_id = $1 AND l.type = 'IN_TRANSIT' ORDER BY l.id LIMIT 1
"""
TRANSIT_LOCATION = """
    SELECT l.id FROM locations l WHERE l.tenant_id = $1 AND l.type = 'IN_TRANSIT' ORDER BY l.id LIMIT 1
"""
MAKE_TRANSIT = """
    INSERT INTO locations (tenant_id, id, code, name, type, time_zone)
    SELECT $1, $2, $3, 'In transit', 'IN_TRANSIT', o.time_zone FROM locations o
    WHERE o.tenant_id = $1 AND o.id = $4
        AND NOT EXISTS (SELECT FROM locations x WHERE x.tenant_id = $1 AND x.type = 'IN_TRANSIT')
    ON CONFLICT DO NOTHING
"""
MAKE_TRANSIT_BIN = """
    INSERT INTO bins (tenant_id, id, location_id, code, name, type, is_default)
    SELECT $1, $2, $3, 'TRANSIT', 'In transit', 'HOLD', NOT EXISTS (
        SELECT FROM bins x WHERE x.tenant_id = $1 AND x.location_id = $3 AND x.is_default)
    ON CONFLICT DO NOTHING
"""
LINES_AT = """
    SELECT s.id, s.lot_id FROM unnest($4::uuid[], $5::uuid[]) AS w(product_id, lot_id)
    CROSS JOIN LATERAL (
        SELECT x.id, x.lot_id FROM stock_lines x
        WHERE x.tenant_id = $1 AND x.product_id = w.product_id AND x.location_id = $2 AND x.bin_id = $3
            AND x.lot_id = w.lot_id OFFSET 0
    ) s
"""
EXPECT = """
    INSERT INTO supplies (tenant_id, id, product_id, location_id, quantity, due_on, source_type, source_id)
    SELECT $1, q.id, q.product_id, $3, q.quantity, coalesce($4::date, (now() AT TIME ZONE l.time_zone)::date),
        'TRANSFER', $2
    FROM unnest($5::uuid[], $6::uuid[], $7::numeric[]) AS q(id, product_id, quantity)
    CROSS JOIN LATERAL (SELECT x.time_zone FROM locations x WHERE x.tenant_id = $1 AND x.id = $3 OFFSET 0) l
"""
# What ends short expects no more than what came; nothing of it came: it is canceled.
DELIVER = """
    UPDATE supplies s SET received = s.received + q.quantity,
        quantity = CASE
            WHEN q.ends AND s.received + q.quantity > 0 THEN s.received + q.quantity ELSE s.quantity END,
        state = CASE
            WHEN NOT q.ends THEN s.state WHEN s.received + q.quantity > 0 THEN 'CLOSED' ELSE 'CANCELED' END,
        version = s.version + 1, updated_at = clock_timestamp()
    FROM unnest($2::uuid[], $3::numeric[], $4::boolean[]) AS q(id, quantity, ends)
    WHERE s.tenant_id = $1 AND s.id = q.id
"""
RECEIPT = """
    INSERT INTO transfer_receipts (tenant_id, id, transfer_id, kind, posting_id, lines, comment, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
CAUSES = """
    SELECT x.id, x.code, x.direction, x.is_active FROM reason_codes x
    WHERE x.tenant_id = $1 AND (x.id = ANY ($2) OR x.code = $3)
"""
