"""The statements of stock requests. `$1` is the tenant."""

NOW = "SELECT clock_timestamp()"
LOCK = "SELECT true FROM stock_requests r WHERE r.tenant_id = $1 AND r.id = $2 FOR NO KEY UPDATE"
ENDS = """
    SELECT x.id, x.type, x.capabilities, x.is_active FROM locations x WHERE x.tenant_id = $1 AND x.id = ANY ($2)
"""
# The categories of a product are its own and those above it.
GOODS = """
    SELECT p.id, p.sku, p.is_active, p.unit_cost, p.is_regulated, ARRAY(
        WITH RECURSIVE above AS (
            SELECT c.id, c.parent_id FROM categories c WHERE c.tenant_id = $1 AND c.id = p.category_id
            UNION
            SELECT c.id, c.parent_id FROM above JOIN categories c ON c.tenant_id = $1 AND c.id = above.parent_id
        )
        SELECT above.id FROM above
    ) AS category_ids
    FROM products p WHERE p.tenant_id = $1 AND p.id = ANY ($2)
"""
ADD = """
    INSERT INTO stock_requests (tenant_id, id, number, type, origin_location_id, destination_location_id,
        requester_id, requester, author_ids, priority, needed_by, description, stocklist_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
STORE = """
    UPDATE stock_requests SET type = $3, state = $4, origin_location_id = $5, destination_location_id = $6,
        author_ids = $7, priority = $8, needed_by = $9, description = $10, value = $11, round = $12,
        current_tier = $13, deadline_at = $14, submitted_at = $15, decided_at = $16, issued_at = $17,
        received_at = $18, canceled_at = $19, issue_posting_id = $20, transfer_id = $21, is_deleted = $22,
        version = version + 1, updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2
"""
ADD_LINES = """
    INSERT INTO stock_request_lines (tenant_id, id, request_id, line_no, product_id, requested, open, note)
    SELECT $1, x.id, $2, $3 + x.n - 1, x.product_id, x.quantity, x.quantity, x.note
    FROM unnest($4::uuid[], $5::uuid[], $6::numeric[], $7::text[]) WITH ORDINALITY
        AS x(id, product_id, quantity, note, n)
"""
ADD_SUBSTITUTE = """
    INSERT INTO stock_request_lines (tenant_id, id, request_id, line_no, product_id, requested, approved, reserved,
        picked, open, unit_cost, substitutes_line_id, short_reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
STORE_LINES = """
    UPDATE stock_request_lines l SET requested = x.requested, approved = x.approved, reserved = x.reserved,
        backordered = x.backordered, picked = x.picked, issued = x.issued, received = x.received, open = x.open,
        canceled = x.canceled, unit_cost = x.unit_cost, short_reason = x.short_reason,
        discrepancy_reason = x.discrepancy_reason, note = x.note,
        version = l.version + 1, updated_at = clock_timestamp()
    FROM jsonb_to_recordset($2::jsonb) AS x(id uuid, requested numeric, approved numeric, reserved numeric,
        backordered numeric, picked numeric, issued numeric, received numeric, open numeric, canceled numeric,
        unit_cost numeric, short_reason text, discrepancy_reason text, note text)
    WHERE l.tenant_id = $1 AND l.id = x.id
"""
REMOVE_LINE = "DELETE FROM stock_request_lines WHERE tenant_id = $1 AND id = $2"
ADD_TIER = """
    INSERT INTO stock_request_tiers (tenant_id, request_id, round, tier, name, role, user_ids, approvals,
        deadline_hours, escalate_role, escalate_user_ids, why, started_at, deadline_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
STORE_TIER = """
    UPDATE stock_request_tiers SET started_at = $5, deadline_at = $6, finished_at = $7
    WHERE tenant_id = $1 AND request_id = $2 AND round = $3 AND tier = $4
"""
ADD_DECISION = """
    INSERT INTO stock_request_decisions (tenant_id, id, request_id, round, tier, decision, decider_id, decider,
        decider_ids, on_behalf_of, delegation_id, version_seen, quantities, comment)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
WITHDRAW = """
    UPDATE stock_request_decisions SET withdrawn_at = $3, withdrawn_by = $4 WHERE tenant_id = $1 AND id = $2
"""
ADD_COMMENT = """
    INSERT INTO stock_request_comments (tenant_id, id, request_id, author_id, author, body)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
CLAIMS = """
    SELECT r.id, r.product_id, r.open_quantity, l.lines
    FROM reservations r
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('line_id', x.line_id, 'quantity', trim_scale(x.quantity))
            ORDER BY x.line_id) AS lines
        FROM reservation_lines x WHERE x.tenant_id = $1 AND x.reservation_id = r.id
    ) l
    WHERE r.tenant_id = $1 AND r.document_id = $2 AND r.state = 'LIVE' ORDER BY r.id
"""
# Who asked first comes first; all are locked at once, in one order, before any stock is.
BACKORDERED = """
    WITH waiting AS (
        SELECT w.id, w.submitted_at FROM (
            SELECT DISTINCT l.request_id FROM stock_request_lines l
            WHERE l.tenant_id = $1 AND l.backordered > 0 AND ($3::uuid[] IS NULL OR l.product_id = ANY ($3))
        ) k
        CROSS JOIN LATERAL (
            SELECT r.id, r.submitted_at FROM stock_requests r
            WHERE r.tenant_id = $1 AND r.id = k.request_id AND r.origin_location_id = $2
                AND r.state IN ('APPROVED', 'PICKING') OFFSET 0
        ) w
        ORDER BY w.submitted_at, w.id LIMIT $4
    ), locked AS (
        SELECT r.id FROM stock_requests r
        WHERE r.tenant_id = $1 AND r.id IN (SELECT w.id FROM waiting w) ORDER BY r.id FOR NO KEY UPDATE
    )
    SELECT w.id FROM waiting w JOIN locked k ON k.id = w.id ORDER BY w.submitted_at, w.id
"""
ORIGINAL = """
    SELECT p.kind, (
        SELECT jsonb_agg(jsonb_build_object('line_id', m.line_id, 'delta', m.delta, 'effective_at', m.effective_at,
            'reason_code_id', m.reason_code_id, 'place', jsonb_build_object('bin_id', l.bin_id, 'bin_code', b.code,
                'lot_id', l.lot_id, 'lot_number', t.number, 'expires_on', t.expires_on)) ORDER BY m.position)
        FROM (
            SELECT * FROM movements x WHERE x.tenant_id = $1 AND x.position >= p.first_position
                AND x.position < p.first_position + p.movement_count OFFSET 0
        ) m
        CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = m.line_id OFFSET 0) l
        CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = l.bin_id OFFSET 0) b
        CROSS JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = l.lot_id OFFSET 0) t
    ) AS movements
    FROM postings p WHERE p.tenant_id = $1 AND p.id = $2
"""
RULES = "SELECT rules, version, updated_at FROM approval_rules WHERE tenant_id = $1"
MAKE_RULES = """
    INSERT INTO approval_rules (tenant_id, rules, version) VALUES ($1, 'null', 0) ON CONFLICT DO NOTHING
"""
LOCK_RULES = f"{RULES} FOR NO KEY UPDATE"
STORE_RULES = """
    UPDATE approval_rules SET rules = $2, version = version + 1, updated_at = clock_timestamp()
    WHERE tenant_id = $1 RETURNING rules, version, updated_at
"""
KNOWN = """
    SELECT ARRAY(SELECT m.user_id FROM memberships m
            WHERE m.tenant_id = $1 AND m.is_active AND m.user_id = ANY ($2)) AS user_ids,
        ARRAY(SELECT c.id FROM categories c WHERE c.tenant_id = $1 AND c.id = ANY ($3)) AS category_ids,
        ARRAY(SELECT l.id FROM locations l WHERE l.tenant_id = $1 AND l.id = ANY ($4)) AS location_ids,
        ARRAY(SELECT r.code FROM roles r WHERE r.tenant_id = $1) AS roles
"""
GRANTS = """
    SELECT c.at, g.user_id, g.role, g.location_id
    FROM (SELECT coalesce($3::timestamptz, clock_timestamp()) AS at) c
    LEFT JOIN grants g ON g.tenant_id = $1 AND g.user_id = ANY ($2)
"""
