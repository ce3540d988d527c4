"""The statements of cycle counts. `$1` is the tenant, `$2` the batch."""

HEAD = "SELECT coalesce((SELECT max(h.position) FROM ledger_heads h WHERE h.tenant_id = $1), 0) AS position"
UNKNOWN = """
    SELECT EXISTS (SELECT FROM locations x WHERE x.tenant_id = $1 AND x.id = $2) AS has_location,
        $3::uuid IS NULL OR EXISTS (SELECT FROM categories x WHERE x.tenant_id = $1 AND x.id = $3) AS has_category,
        ARRAY(
            SELECT k FROM unnest($4::uuid[]) k
            WHERE NOT EXISTS (SELECT FROM products x WHERE x.tenant_id = $1 AND x.id = k)
        ) AS product_ids,
        ARRAY(
            SELECT k FROM unnest($5::uuid[]) k
            WHERE NOT EXISTS (SELECT FROM bins x WHERE x.tenant_id = $1 AND x.location_id = $2 AND x.id = k)
        ) AS bin_ids,
        ARRAY(
            SELECT k FROM unnest($6::uuid[]) k
            WHERE NOT EXISTS (
                SELECT FROM memberships x WHERE x.tenant_id = $1 AND x.user_id = k AND x.is_active)
        ) AS assignee_ids
"""
STRANGERS = """
    SELECT k FROM unnest($2::uuid[]) k
    WHERE NOT EXISTS (SELECT FROM memberships x WHERE x.tenant_id = $1 AND x.user_id = k AND x.is_active)
"""
ADD_BATCH = """
    INSERT INTO cycle_counts (tenant_id, id, number, location_id, type, is_blind, is_freezing, scheduled_for,
        origin, wanted, note, snapshot_position, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)
"""
LOCK = "SELECT FROM cycle_counts WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE"
COLUMNS = """c.id, c.number, c.location_id, c.type, c.state, c.is_blind, c.is_freezing, c.scheduled_for, c.origin,
    c.wanted, c.note, c.snapshot_position, c.line_count, c.counted_count, c.waived_count, c.variance_count,
    c.accurate_count, c.actor_id, c.actor, c.started_at, c.reviewed_at, c.completed_at, c.version, c.created_at,
    c.updated_at, ARRAY(
        SELECT a.user_id FROM cycle_count_assignees a
        WHERE a.tenant_id = c.tenant_id AND a.batch_id = c.id ORDER BY a.user_id
    ) AS assignee_ids"""
BATCH = f"SELECT {COLUMNS} FROM cycle_counts c WHERE c.tenant_id = $1 AND c.id = $2"  # noqa: S608 - of constants
ASSIGN = """
    WITH gone AS (
        DELETE FROM cycle_count_assignees a
        WHERE a.tenant_id = $1 AND a.batch_id = $2 AND a.user_id <> ALL ($3::uuid[])
    )
    INSERT INTO cycle_count_assignees (tenant_id, batch_id, user_id)
    SELECT $1, $2, k FROM unnest($3::uuid[]) k ON CONFLICT DO NOTHING
"""
# Parameters: tenant, batch, whether lines that stand at nothing count, and the most that there may be. All of it
# sees the stock as one statement does: a posting is in it whole or not at all, and the position says which. Nobody
# has told the planner how many lines were made a moment ago, and it takes them for one: so none of them is looked
# for by a plan. Each is found once, with its batch, and looks up what it is about by its full key; and which are
# there already the unique index says.
RENEW = f"""
    WITH RECURSIVE batch AS MATERIALIZED (
        SELECT c.location_id, (c.wanted ->> 'categoryId')::uuid AS category_id,
            ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(c.wanted -> 'productMasterIds') x) AS product_ids,
            ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(c.wanted -> 'binIds') x) AS bin_ids
        FROM cycle_counts c WHERE c.tenant_id = $1 AND c.id = $2
    ), tree AS (
        SELECT c.id FROM batch b JOIN categories c ON c.tenant_id = $1 AND c.id = b.category_id
        UNION
        SELECT c.id FROM tree t JOIN categories c ON c.tenant_id = $1 AND c.parent_id = t.id
    ), head AS MATERIALIZED ({HEAD}), here AS MATERIALIZED (
        SELECT s.id AS line_id, s.product_id, s.location_id, s.bin_id, s.lot_id, s.on_hand, p.unit_cost,
            v.abc_class,
            row_number() OVER (ORDER BY n.walk_order, n.code, p.sku, l.number, s.id)::int AS sequence
        FROM batch b
        JOIN stock_lines s ON s.tenant_id = $1 AND s.location_id = b.location_id
        JOIN products p ON p.tenant_id = $1 AND p.id = s.product_id
        JOIN bins n ON n.tenant_id = $1 AND n.id = s.bin_id
        JOIN lots l ON l.tenant_id = $1 AND l.id = s.lot_id
        LEFT JOIN stock_levels v
            ON v.tenant_id = $1 AND v.product_id = s.product_id AND v.location_id = s.location_id
        WHERE ($3 OR s.on_hand > 0 OR s.counted_at IS NOT NULL)
            AND (b.product_ids = '{{}}' OR s.product_id = ANY (b.product_ids))
            AND (b.bin_ids = '{{}}' OR s.bin_id = ANY (b.bin_ids))
            AND (b.category_id IS NULL OR p.category_id IN (SELECT t.id FROM tree t))
        LIMIT $4::int + 1
    ), renewed AS (
        UPDATE cycle_count_lines c
        SET (line_id, snapshot_quantity) = (
                SELECT x.id, coalesce(x.on_hand, 0) FROM (VALUES (1)) AS always
                LEFT JOIN stock_lines x ON x.tenant_id = $1 AND x.product_id = c.product_id
                    AND x.location_id = c.location_id AND x.bin_id = c.bin_id AND x.lot_id = c.lot_id
            ),
            unit_cost = (SELECT x.unit_cost FROM products x WHERE x.tenant_id = $1 AND x.id = c.product_id),
            abc_class = (
                SELECT x.abc_class FROM stock_levels x
                WHERE x.tenant_id = $1 AND x.product_id = c.product_id AND x.location_id = c.location_id
            ),
            snapshot_position = (SELECT head.position FROM head), updated_at = now()
        WHERE c.tenant_id = $1 AND c.batch_id = $2
        RETURNING c.id
    ), added AS (
        INSERT INTO cycle_count_lines (tenant_id, id, batch_id, line_id, product_id, location_id, bin_id, lot_id,
            sequence, abc_class, unit_cost, snapshot_quantity, snapshot_position)
        SELECT $1, ledger_line_id(), $2, h.line_id, h.product_id, h.location_id, h.bin_id, h.lot_id, h.sequence,
            h.abc_class, h.unit_cost, h.on_hand, head.position
        FROM here h, head
        ORDER BY h.sequence
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT head.position, (SELECT count(*) FROM here)::int AS wanted, (SELECT count(*) FROM added)::int AS added,
        (SELECT count(*) FROM added)::int + (SELECT count(*) FROM renewed)::int AS total
    FROM head
"""  # noqa: S608 - of constants
# New lines between old ones: all of them in walking order again.
RENUMBER = """
    UPDATE cycle_count_lines c SET sequence = k.n
    FROM (
        SELECT x.id, row_number() OVER (ORDER BY b.walk_order, b.code, p.sku, l.number, x.id)::int AS n
        FROM cycle_count_lines x
        JOIN bins b ON b.tenant_id = $1 AND b.id = x.bin_id
        JOIN products p ON p.tenant_id = $1 AND p.id = x.product_id
        JOIN lots l ON l.tenant_id = $1 AND l.id = x.lot_id
        WHERE x.tenant_id = $1 AND x.batch_id = $2
    ) k
    WHERE c.tenant_id = $1 AND c.id = k.id AND c.sequence <> k.n
"""
# Who else has what a batch is about: of its own lines those that were left out have no row, so the stock is asked.
HOLDERS = """
    WITH RECURSIVE batch AS MATERIALIZED (
        SELECT c.location_id, (c.wanted ->> 'categoryId')::uuid AS category_id,
            ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(c.wanted -> 'productMasterIds') x) AS product_ids,
            ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(c.wanted -> 'binIds') x) AS bin_ids
        FROM cycle_counts c WHERE c.tenant_id = $1 AND c.id = $2
    ), tree AS (
        SELECT c.id FROM batch b JOIN categories c ON c.tenant_id = $1 AND c.id = b.category_id
        UNION
        SELECT c.id FROM tree t JOIN categories c ON c.tenant_id = $1 AND c.parent_id = t.id
    )
    SELECT o.id, o.number, count(*)::int AS positions
    FROM batch b
    JOIN cycle_counts o ON o.tenant_id = $1 AND o.location_id = b.location_id AND o.id <> $2
        AND o.state IN ('DRAFT', 'IN_PROGRESS', 'REVIEW')
    JOIN cycle_count_lines c ON c.tenant_id = $1 AND c.batch_id = o.id AND c.is_open
        AND (b.product_ids = '{}' OR c.product_id = ANY (b.product_ids))
        AND (b.bin_ids = '{}' OR c.bin_id = ANY (b.bin_ids))
    JOIN products p ON p.tenant_id = $1 AND p.id = c.product_id
        AND (b.category_id IS NULL OR p.category_id IN (SELECT t.id FROM tree t))
    GROUP BY o.id, o.number ORDER BY o.id LIMIT 20
"""
HOLDERS_OF = """
    SELECT o.id, o.number, count(*)::int AS positions
    FROM unnest($3::uuid[], $4::uuid[], $5::uuid[]) AS k(product_id, bin_id, lot_id)
    JOIN cycle_count_lines c ON c.tenant_id = $1 AND c.product_id = k.product_id AND c.bin_id = k.bin_id
        AND c.lot_id = k.lot_id AND c.is_open AND c.batch_id <> $2
    JOIN cycle_counts o ON o.tenant_id = $1 AND o.id = c.batch_id
    GROUP BY o.id, o.number ORDER BY o.id LIMIT 20
"""
# In the order of their ids: two batches that stop the same bins wait for each other and do not lock crosswise.
FREEZE = """
    WITH mine AS MATERIALIZED (
        SELECT b.id, b.frozen_by FROM bins b
        WHERE b.tenant_id = $1 AND b.location_id = (
                SELECT c.location_id FROM cycle_counts c WHERE c.tenant_id = $1 AND c.id = $2)
            AND b.id IN (SELECT c.bin_id FROM cycle_count_lines c WHERE c.tenant_id = $1 AND c.batch_id = $2)
        ORDER BY b.id FOR NO KEY UPDATE
    ), frozen AS (
        UPDATE bins b SET frozen_by = $2 FROM mine m WHERE b.tenant_id = $1 AND b.id = m.id AND m.frozen_by IS NULL
    )
    SELECT o.id, o.number, count(*)::int AS positions
    FROM mine m JOIN cycle_counts o ON o.tenant_id = $1 AND o.id = m.frozen_by
    WHERE m.frozen_by <> $2 GROUP BY o.id, o.number ORDER BY o.id LIMIT 20
"""
UNFREEZE = """
    UPDATE bins b SET frozen_by = NULL
    WHERE b.tenant_id = $1 AND b.frozen_by = $2 AND b.location_id = (
        SELECT c.location_id FROM cycle_counts c WHERE c.tenant_id = $1 AND c.id = $2)
"""
LET_GO = """
    UPDATE cycle_count_lines SET is_open = false, updated_at = now()
    WHERE tenant_id = $1 AND batch_id = $2 AND is_open
"""
CHANGE = f"""
    UPDATE cycle_counts c
    SET state = coalesce($3, c.state), line_count = c.line_count + $4, counted_count = c.counted_count + $5,
        waived_count = c.waived_count + $6, snapshot_position = coalesce($7, c.snapshot_position),
        started_at = CASE WHEN $3 = 'IN_PROGRESS' THEN now() ELSE c.started_at END,
        reviewed_at = CASE WHEN $3 = 'REVIEW' THEN now() ELSE c.reviewed_at END,
        completed_at = CASE WHEN $3 IN ('COMPLETED', 'CANCELED') THEN now() ELSE c.completed_at END,
        version = c.version + 1, updated_at = now()
    WHERE c.tenant_id = $1 AND c.id = $2
    RETURNING {COLUMNS}
"""  # noqa: S608 - of constants
LINE = """c.id, c.batch_id, c.line_id, c.product_id, c.location_id, c.bin_id, c.lot_id, c.sequence, c.abc_class,
    c.unit_cost, c.snapshot_quantity, c.snapshot_position, c.state, c.round, c.counted_quantity,
    c.expected_quantity, c.variance, c.counted_position, c.counted_at, c.counter_id, c.counter, c.note,
    c.is_found, c.waived_reason, c.resolution, c.version"""
LINES = f"""
    SELECT {LINE} FROM unnest($3::uuid[]) WITH ORDINALITY AS k(id, n)
    CROSS JOIN LATERAL (
        SELECT * FROM cycle_count_lines x WHERE x.tenant_id = $1 AND x.id = k.id AND x.batch_id = $2 OFFSET 0
    ) c ORDER BY k.n
"""  # noqa: S608 - of constants
LOCATE = """
    SELECT coalesce(a.id, d.id) AS count_line_id, p.id AS product_id, b.id AS bin_id, l.id AS lot_id
    FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[]) WITH ORDINALITY
        AS k(line_id, bin_id, product_id, lot_number, n)
    LEFT JOIN LATERAL (
        SELECT x.id FROM cycle_count_lines x
        WHERE x.tenant_id = $1 AND x.id = k.line_id AND x.batch_id = $2 OFFSET 0
    ) a ON true
    LEFT JOIN LATERAL (
        SELECT x.id FROM products x WHERE x.tenant_id = $1 AND x.id = k.product_id OFFSET 0
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT x.id FROM bins x WHERE x.tenant_id = $1 AND x.id = k.bin_id AND x.location_id = $3 OFFSET 0
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT x.id FROM lots x
        WHERE x.tenant_id = $1 AND x.product_id = k.product_id AND x.number = coalesce(k.lot_number, '') OFFSET 0
    ) l ON true
    LEFT JOIN LATERAL (
        SELECT x.id FROM cycle_count_lines x
        WHERE x.tenant_id = $1 AND x.batch_id = $2 AND x.product_id = p.id AND x.bin_id = b.id AND x.lot_id = l.id
        OFFSET 0
    ) d ON true
    ORDER BY k.n
"""
ADD_FOUND = f"""
    WITH head AS MATERIALIZED ({HEAD}), last AS MATERIALIZED (
        SELECT coalesce(max(c.sequence), 0) AS sequence FROM cycle_count_lines c
        WHERE c.tenant_id = $1 AND c.batch_id = $2
    )
    INSERT INTO cycle_count_lines (tenant_id, id, batch_id, line_id, product_id, location_id, bin_id, lot_id,
        sequence, abc_class, unit_cost, snapshot_quantity, snapshot_position, is_found)
    SELECT $1, f.id, $2, s.id, f.product_id, $3, f.bin_id, f.lot_id, last.sequence + f.n, v.abc_class, p.unit_cost,
        coalesce(s.on_hand, 0), head.position, true
    FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[]) WITH ORDINALITY
        AS f(id, product_id, bin_id, lot_id, n)
    CROSS JOIN head CROSS JOIN last
    JOIN products p ON p.tenant_id = $1 AND p.id = f.product_id
    LEFT JOIN LATERAL (
        SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.product_id = f.product_id AND x.location_id = $3
            AND x.bin_id = f.bin_id AND x.lot_id = f.lot_id OFFSET 0
    ) s ON true
    LEFT JOIN stock_levels v ON v.tenant_id = $1 AND v.product_id = f.product_id AND v.location_id = $3
    ORDER BY f.product_id, f.bin_id, f.lot_id
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - of constants
# The moment of the count is this statement's: what it sees of the stock is what the ledger said at the position
# that it sees, and what is posted later has a later one. So no line is locked, and no pick waits for a count.
COUNT = f"""
    WITH head AS MATERIALIZED ({HEAD}), k AS MATERIALIZED (
        SELECT k.*, c.round, s.id AS stock_line, coalesce(s.on_hand, 0) AS on_hand
        FROM unnest($3::uuid[], $4::numeric[], $5::text[], $6::text[], $7::text[], $8::uuid[])
            AS k(id, quantity, note, matched, differing, entry_id)
        CROSS JOIN LATERAL (
            SELECT * FROM cycle_count_lines x WHERE x.tenant_id = $1 AND x.id = k.id AND x.batch_id = $2 OFFSET 0
        ) c
        LEFT JOIN LATERAL (
            SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.product_id = c.product_id
                AND x.location_id = c.location_id AND x.bin_id = c.bin_id AND x.lot_id = c.lot_id OFFSET 0
        ) s ON true
    ), kept AS (
        INSERT INTO cycle_count_entries (tenant_id, id, batch_id, count_line_id, round, quantity, expected,
            position, counter_id, counter_ids, counter, note)
        SELECT $1, k.entry_id, $2, k.id, k.round, k.quantity, k.on_hand,
            head.position, $9::uuid, $10::uuid[], $11::text, k.note
        FROM k, head
    )
    UPDATE cycle_count_lines c
    SET state = CASE WHEN k.quantity = k.on_hand THEN k.matched ELSE k.differing END,
        line_id = coalesce(k.stock_line, c.line_id),
        counted_quantity = k.quantity,
        expected_quantity = CASE WHEN k.quantity IS NOT NULL THEN k.on_hand END,
        variance = k.quantity - k.on_hand,
        counted_position = CASE WHEN k.quantity IS NOT NULL THEN head.position END,
        counted_at = CASE WHEN k.quantity IS NOT NULL THEN clock_timestamp() END,
        counter_id = CASE WHEN k.quantity IS NOT NULL THEN $9::uuid END,
        counter = CASE WHEN k.quantity IS NOT NULL THEN $11::text END,
        note = k.note,
        waived_reason = CASE WHEN k.quantity IS NULL THEN c.waived_reason END,
        waiver_id = CASE WHEN k.quantity IS NULL THEN c.waiver_id END,
        waiver = CASE WHEN k.quantity IS NULL THEN c.waiver END,
        version = c.version + 1, updated_at = now()
    FROM k, head WHERE c.tenant_id = $1 AND c.id = k.id
"""  # noqa: S608 - of constants
WAIVE = """
    UPDATE cycle_count_lines c
    SET waived_reason = k.reason, waiver_id = $5, waiver = $6, version = c.version + 1, updated_at = now()
    FROM unnest($3::uuid[], $4::text[]) AS k(id, reason)
    WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.id = k.id
"""
CLOSE = """
    UPDATE cycle_count_lines c
    SET state = CASE WHEN c.counted_quantity IS NULL THEN 'RESOLVED' WHEN c.variance = 0 THEN 'MATCHED'
            ELSE 'VARIANCE' END,
        resolved_at = CASE WHEN c.counted_quantity IS NULL THEN now() END,
        version = c.version + 1, updated_at = now()
    WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.state IN ('PENDING', 'COUNTED')
"""
ACCURACY = f"""
    UPDATE cycle_counts c SET variance_count = k.differing, accurate_count = k.counted - k.differing
    FROM (
        SELECT count(*) FILTER (WHERE x.variance <> 0)::int AS differing,
            count(*) FILTER (WHERE x.counted_quantity IS NOT NULL)::int AS counted
        FROM cycle_count_lines x WHERE x.tenant_id = $1 AND x.batch_id = $2
    ) k
    WHERE c.tenant_id = $1 AND c.id = $2
    RETURNING {COLUMNS}
"""  # noqa: S608 - of constants
UNCOUNTED = """
    SELECT c.id FROM cycle_count_lines c
    WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.state = 'PENDING' AND c.waived_reason IS NULL
    ORDER BY c.sequence, c.id LIMIT $3
"""
IS_POSTED = """
    SELECT EXISTS (
        SELECT FROM cycle_count_lines c WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.posting_id IS NOT NULL)
"""
# Of `c`, a batch: the names that go with it.
NAMED_BATCH = f"""{COLUMNS}, y.code AS location_code, y.name AS location_name, coalesce((
        SELECT jsonb_agg(jsonb_build_object('userId', u.id, 'name', u.name) ORDER BY u.name, u.id)
        FROM cycle_count_assignees a JOIN users u ON u.id = a.user_id
        WHERE a.tenant_id = c.tenant_id AND a.batch_id = c.id
    ), '[]') AS assignees"""  # noqa: S608 - of constants
AT_LOCATION = "JOIN locations y ON y.tenant_id = c.tenant_id AND y.id = c.location_id"
# Of `c`, a line.
NAMED_LINE = f"""{LINE}, c.waiver, c.reason_code_id, c.root_cause, c.comment, c.proposed_by, c.resolver_id,
    c.resolver, c.on_behalf_of, c.posting_id, c.resolved_at, p.sku, p.name AS product_name, u.code AS uom,
    b.code AS bin_code, b.name AS bin_name, b.zone, l.number AS lot_number, l.expires_on"""
AT_POSITION = """
    JOIN products p ON p.tenant_id = c.tenant_id AND p.id = c.product_id
    JOIN uoms u ON u.tenant_id = c.tenant_id AND u.id = p.uom_id
    JOIN bins b ON b.tenant_id = c.tenant_id AND b.id = c.bin_id
    JOIN lots l ON l.tenant_id = c.tenant_id AND l.id = c.lot_id"""
NAMED_LINES = f"""
    SELECT {NAMED_LINE} FROM unnest($3::uuid[]) AS k(id)
    CROSS JOIN LATERAL (
        SELECT * FROM cycle_count_lines x WHERE x.tenant_id = $1 AND x.id = k.id AND x.batch_id = $2 OFFSET 0
    ) c {AT_POSITION}
    ORDER BY c.sequence, c.id
"""  # noqa: S608 - of constants
VALUES = """
    LEFT JOIN LATERAL (
        SELECT sum(x.variance * x.unit_cost) AS net, sum(abs(x.variance) * x.unit_cost) AS gross
        FROM cycle_count_lines x WHERE x.tenant_id = c.tenant_id AND x.batch_id = c.id
    ) v ON true"""
