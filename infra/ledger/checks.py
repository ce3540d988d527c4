"""The statements of `verify`: each finds what contradicts the movements: what, key, expected, found, times.

Every one reads a bounded range by an index in its order, so that neither side's memory grows with the ledger.
$1 is the tenant; $2 (excluded) to $3 (included) is the range.
"""

# Where a range of lines ends: after $3 movements or $4 lines, whichever comes first.
NEXT_LINE = """
    SELECT id, total FROM (
        SELECT id, sum(version) OVER w AS total, row_number() OVER w AS n
        FROM (SELECT id, version FROM stock_lines WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $4) l
        WINDOW w AS (ORDER BY id ROWS UNBOUNDED PRECEDING)
    ) c
    WHERE total >= $3 OR n = $4 ORDER BY id LIMIT 1
"""

# A chain from movement to movement is the running sum: when each link holds, so does the whole, and where one
# does not, it is that one which is named.
LINES = """
    WITH chain AS (
        SELECT line_id, line_version, delta, balance_after, product_id, location_id,
            lag(line_version, 1, 0::bigint) OVER w + 1 AS version_due,
            lag(balance_after, 1, 0::numeric) OVER w + delta AS balance_due
        FROM movements WHERE tenant_id = $1 AND line_id > $2 AND line_id <= $3
        WINDOW w AS (PARTITION BY line_id ORDER BY line_version)
    ), folded AS (
        SELECT coalesce(l.id, c.line_id) AS id, l.id IS NULL AS is_missing, min(l.on_hand) AS on_hand,
            min(l.version) AS version, count(c.line_id) AS n, coalesce(sum(c.delta), 0) AS total,
            min(ARRAY[c.line_version, c.version_due])
                FILTER (WHERE c.line_version <> c.version_due) AS gap,
            count(*) FILTER (WHERE c.line_version <> c.version_due) AS gaps,
            min(ARRAY[c.line_version, c.balance_due, c.balance_after])
                FILTER (WHERE c.balance_after <> c.balance_due) AS broken,
            count(*) FILTER (WHERE c.balance_after <> c.balance_due) AS breaks,
            min(ARRAY[c.line_version::text, c.product_id::text || ' at ' || c.location_id])
                FILTER (WHERE c.product_id <> l.product_id OR c.location_id <> l.location_id) AS strange,
            count(*) FILTER (WHERE c.product_id <> l.product_id OR c.location_id <> l.location_id) AS strangers,
            min(l.product_id::text || ' at ' || l.location_id) AS place
        FROM chain c
        FULL JOIN (SELECT * FROM stock_lines WHERE tenant_id = $1 AND id > $2 AND id <= $3) l ON l.id = c.line_id
        GROUP BY 1, 2
    )
    SELECT v.* FROM folded f CROSS JOIN LATERAL (VALUES
        ('line.missing', f.id::text, 'a stock line', NULL, f.n, f.is_missing),
        ('line.on_hand', f.id::text, f.total::text, f.on_hand::text, 1, f.on_hand <> f.total),
        ('line.version', f.id::text, f.n::text, f.version::text, 1, f.version <> f.n),
        ('movement.line_version', f.id::text, f.gap[2]::text, f.gap[1]::text, f.gaps, f.gaps > 0),
        ('movement.balance_after', f.id || ' version ' || f.broken[1], f.broken[2]::text, f.broken[3]::text,
            f.breaks, f.breaks > 0),
        ('movement.place', f.id || ' version ' || f.strange[1], f.place, f.strange[2],
            f.strangers, f.strangers > 0)
    ) v(what, key, expected, found, times, is_drift) WHERE v.is_drift
"""

# What binds lines: claims by their rows, and the holds that lie on them. Holds on lots, bins and products are few
# beside lines, and are counted once for the range.
BOUND = """
    WITH claimed AS (
        SELECT c.line_id, sum(c.quantity) AS reserved,
            count(*) FILTER (WHERE r.state IS DISTINCT FROM 'LIVE') AS dead,
            min(c.reservation_id::text) FILTER (WHERE r.state IS DISTINCT FROM 'LIVE') AS dead_id
        FROM reservation_lines c
        LEFT JOIN reservations r ON r.tenant_id = c.tenant_id AND r.id = c.reservation_id
        WHERE c.tenant_id = $1 AND c.line_id > $2 AND c.line_id <= $3 GROUP BY c.line_id
    ), of_line AS (
        SELECT line_id, coalesce(sum(quantity - released), 0) AS part,
            count(*) FILTER (WHERE quantity IS NULL) AS n
        FROM holds
        WHERE tenant_id = $1 AND state = 'ACTIVE' AND scope = 'LINE' AND line_id > $2 AND line_id <= $3
        GROUP BY line_id
    ), of_lot AS (
        SELECT lot_id, count(*) AS n FROM holds
        WHERE tenant_id = $1 AND state = 'ACTIVE' AND scope = 'LOT' GROUP BY lot_id
    ), of_bin AS (
        SELECT bin_id, count(*) AS n FROM holds
        WHERE tenant_id = $1 AND state = 'ACTIVE' AND scope = 'BIN' GROUP BY bin_id
    ), of_product AS (
        SELECT product_id, location_id, count(*) AS n FROM holds
        WHERE tenant_id = $1 AND state = 'ACTIVE' AND scope = 'PRODUCT' GROUP BY product_id, location_id
    )
    SELECT v.* FROM stock_lines s
    LEFT JOIN claimed c ON c.line_id = s.id
    LEFT JOIN of_line i ON i.line_id = s.id
    LEFT JOIN of_lot t ON t.lot_id = s.lot_id
    LEFT JOIN of_bin b ON b.bin_id = s.bin_id
    LEFT JOIN of_product p ON p.product_id = s.product_id AND p.location_id = s.location_id
    CROSS JOIN LATERAL (
        SELECT coalesce(c.reserved, 0) AS reserved, coalesce(i.part, 0) AS part,
            coalesce(i.n, 0) + coalesce(t.n, 0) + coalesce(b.n, 0) + coalesce(p.n, 0) AS whole
    ) d
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.whole > 0 THEN s.on_hand ELSE least(s.on_hand, d.part) END AS held
    ) e
    CROSS JOIN LATERAL (VALUES
        ('line.reserved', s.id::text, d.reserved::text, s.reserved::text, 1, s.reserved <> d.reserved),
        ('line.held', s.id::text, e.held::text, s.held::text, 1, s.held <> e.held),
        ('line.held_part', s.id::text, d.part::text, s.held_part::text, 1, s.held_part <> d.part),
        ('line.whole_holds', s.id::text, d.whole::text, s.whole_holds::text, 1, s.whole_holds <> d.whole),
        ('reservation.resolved', c.dead_id, 'no lines', 'lines', c.dead, c.dead > 0)
    ) v(what, key, expected, found, times, is_drift)
    WHERE s.tenant_id = $1 AND s.id > $2 AND s.id <= $3 AND v.is_drift
"""

# The range of positions ends with a posting, so that none is seen in halves; should its count be wrong, soon.
NEXT_POSITION = """
    SELECT greatest($2::bigint, least($2::bigint + 1000000, p.first_position + p.movement_count - 1))
    FROM movements m JOIN postings p ON p.tenant_id = m.tenant_id AND p.id = m.posting_id
    WHERE m.tenant_id = $1 AND m.position = $2::bigint
"""

# $4 is the last position seen before the range.
POSITIONS = """
    SELECT count(*) AS rows, max(position) AS last,
        coalesce(sum(delta) FILTER (WHERE delta > 0 AND is_external), 0) AS quantity_in,
        coalesce(-sum(delta) FILTER (WHERE delta < 0 AND is_external), 0) AS quantity_out,
        min(due) FILTER (WHERE position <> due) AS gap, count(*) FILTER (WHERE position <> due) AS gaps
    FROM (
        SELECT position, delta, lag(position, 1, $4::bigint) OVER (ORDER BY position) + 1 AS due,
            kind NOT IN ('TRANSFER_OUT', 'TRANSFER_IN', 'PUT_AWAY', 'LOT_CORRECTION') AS is_external
        FROM movements WHERE tenant_id = $1 AND position > $2 AND position <= $3
    ) m
"""

POSTINGS = """
    SELECT v.* FROM (
        SELECT posting_id, min(position) AS first, max(position) AS last, count(*) AS n
        FROM movements WHERE tenant_id = $1 AND position > $2 AND position <= $3 GROUP BY posting_id
    ) m
    LEFT JOIN LATERAL (SELECT * FROM postings p WHERE p.tenant_id = $1 AND p.id = m.posting_id OFFSET 0) p ON true
    CROSS JOIN LATERAL (VALUES
        ('posting.missing', m.posting_id::text, 'a posting', NULL, m.n, p.id IS NULL),
        ('posting.first_position', m.posting_id::text, m.first::text, p.first_position::text, 1,
            p.first_position <> m.first),
        ('posting.movement_count', m.posting_id::text, m.n::text, p.movement_count::text, 1,
            p.movement_count <> m.n),
        ('posting.scattered', m.posting_id::text, (m.first + m.n - 1)::text, m.last::text, 1,
            m.last - m.first + 1 <> m.n)
    ) v(what, key, expected, found, times, is_drift) WHERE v.is_drift
"""

CONSERVATION = """
    SELECT 'conservation' AS what, m.posting_id || ' product ' || m.product_id AS key, '0' AS expected,
        sum(m.delta)::text AS found, 1 AS times
    FROM movements m
    LEFT JOIN LATERAL (
        SELECT s.lot_id FROM stock_lines s WHERE s.tenant_id = $1 AND s.id = m.line_id OFFSET 0
    ) s ON true
    WHERE m.tenant_id = $1 AND m.position > $2 AND m.position <= $3
        AND m.kind IN ('TRANSFER_OUT', 'TRANSFER_IN', 'PUT_AWAY', 'LOT_CORRECTION')
    GROUP BY m.posting_id, m.product_id, CASE WHEN m.kind <> 'LOT_CORRECTION' THEN s.lot_id END
    HAVING sum(m.delta) <> 0
"""

ALL_POSTINGS = """
    SELECT count(*) AS rows, coalesce(sum(movement_count), 0)::bigint AS movements
    FROM postings WHERE tenant_id = $1
"""

# Only asked when the postings together claim another number of movements than there are.
EMPTY_POSTINGS = """
    SELECT 'posting.without_movements' AS what, p.id::text AS key, p.movement_count::text AS expected,
        '0' AS found, 1 AS times
    FROM postings p
    WHERE p.tenant_id = $1 AND p.movement_count <> 0 AND NOT EXISTS (
        SELECT 1 FROM movements m
        WHERE m.tenant_id = $1 AND m.position = p.first_position AND m.posting_id = p.id
    )
    LIMIT $2
"""

NEXT_PRODUCT = "SELECT id FROM products WHERE tenant_id = $1 AND id > $2 ORDER BY id OFFSET $3 LIMIT 1"

TOTALS = """
    SELECT v.* FROM (
        SELECT s.product_id, s.location_id, sum(s.on_hand) AS on_hand, sum(s.reserved) AS reserved,
            coalesce(sum(s.held) FILTER (WHERE b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')), 0) AS held,
            coalesce(sum(s.on_hand) FILTER (WHERE b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')), 0) AS sellable
        FROM stock_lines s
        CROSS JOIN LATERAL (SELECT type FROM bins x WHERE x.tenant_id = $1 AND x.id = s.bin_id OFFSET 0) b
        WHERE s.tenant_id = $1 AND s.product_id > $2 AND s.product_id <= $3
        GROUP BY s.product_id, s.location_id
    ) s
    FULL JOIN (
        SELECT * FROM stock_totals WHERE tenant_id = $1 AND product_id > $2 AND product_id <= $3
    ) t ON t.product_id = s.product_id AND t.location_id = s.location_id
    LEFT JOIN (
        SELECT product_id, location_id, sum(open_quantity) AS allocated FROM reservations
        WHERE tenant_id = $1 AND state = 'LIVE' AND kind = 'HARD' AND product_id > $2 AND product_id <= $3
        GROUP BY product_id, location_id
    ) a ON a.product_id = t.product_id AND a.location_id = t.location_id
    CROSS JOIN LATERAL (
        SELECT coalesce(s.product_id, t.product_id) || ' at ' || coalesce(s.location_id, t.location_id) AS key
    ) k
    CROSS JOIN LATERAL (VALUES
        ('total.missing', k.key, 'a total', NULL, 1, t.product_id IS NULL),
        ('total.on_hand', k.key, coalesce(s.on_hand, 0)::text, t.on_hand::text, 1,
            t.on_hand <> coalesce(s.on_hand, 0)),
        ('total.sellable', k.key, coalesce(s.sellable, 0)::text, t.sellable::text, 1,
            t.sellable <> coalesce(s.sellable, 0)),
        ('total.reserved', k.key, coalesce(s.reserved, 0)::text, t.reserved::text, 1,
            t.reserved <> coalesce(s.reserved, 0)),
        ('total.allocated', k.key, coalesce(a.allocated, 0)::text, t.allocated::text, 1,
            t.allocated <> coalesce(a.allocated, 0)),
        ('total.held', k.key, coalesce(s.held, 0)::text, t.held::text, 1, t.held <> coalesce(s.held, 0))
    ) v(what, key, expected, found, times, is_drift) WHERE v.is_drift
"""

CLAIMS = """
    SELECT 'reservation.open_quantity' AS what, r.id::text AS key, coalesce(sum(c.quantity), 0)::text AS expected,
        r.open_quantity::text AS found, 1 AS times
    FROM reservations r
    LEFT JOIN reservation_lines c ON c.tenant_id = r.tenant_id AND c.reservation_id = r.id
    WHERE r.tenant_id = $1 AND r.state = 'LIVE' AND r.product_id > $2 AND r.product_id <= $3
    GROUP BY r.id, r.open_quantity HAVING r.open_quantity <> coalesce(sum(c.quantity), 0)
"""

COUNTS = """
    SELECT 'count.lines' AS what, coalesce(s.location_id, c.location_id)::text AS key,
        coalesce(s.lines, 0)::text AS expected, c.lines::text AS found, 1 AS times
    FROM (SELECT location_id, count(*) AS lines FROM stock_lines WHERE tenant_id = $1 GROUP BY location_id) s
    FULL JOIN (SELECT * FROM stock_counts WHERE tenant_id = $1) c ON c.location_id = s.location_id
    WHERE c.lines IS DISTINCT FROM s.lines AND NOT (c.lines = 0 AND s.lines IS NULL)
"""

EVENTS = """
    SELECT count(*) AS rows, max(position) AS last, count(*) FILTER (WHERE entity_type = 'posting') AS of_postings,
        min(due) FILTER (WHERE position <> due) AS gap, count(*) FILTER (WHERE position <> due) AS gaps
    FROM (
        SELECT position, entity_type, lag(position, 1, $4::bigint) OVER (ORDER BY position) + 1 AS due
        FROM events WHERE tenant_id = $1 AND position > $2 AND position <= $3
    ) e
"""

EVENTLESS = """
    SELECT 'event.missing' AS what, p.id::text AS key, 'an event' AS expected, NULL AS found, 1 AS times
    FROM postings p
    WHERE p.tenant_id = $1 AND NOT EXISTS (
        SELECT 1 FROM events e WHERE e.tenant_id = $1 AND e.entity_id = p.id AND e.entity_type = 'posting'
    )
    LIMIT $2
"""

HEAD = "SELECT position, event_position, quantity_in, quantity_out FROM ledger_heads WHERE tenant_id = $1"
STOCK = "SELECT count(*) AS lines, coalesce(sum(on_hand), 0) AS on_hand FROM stock_lines WHERE tenant_id = $1"
LAST = """
    SELECT coalesce((SELECT max(position) FROM movements WHERE tenant_id = $1), 0) AS movement,
        coalesce((SELECT max(position) FROM events WHERE tenant_id = $1), 0) AS event
"""
