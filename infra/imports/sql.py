"""The statements of imports. Look-ups are by full key for each element of an array (LATERAL … OFFSET 0)."""

from infra.settings.sql import LOTS_DEMANDED

# $2 item names, $3 bin names, $4 and $5 items and lots by pairs. A bin is also found by its location's code and
# its name, if no bin has all of that as its name. Of a product under lot control,
# what it had without lots before is found no more.
LOOK_UP = f"""
    SELECT
        (
            SELECT json_agg(json_build_array(k.name, p.id, p.uom_id, p.is_active) ORDER BY p.id)
            FROM unnest($2::text[]) AS k(name)
            CROSS JOIN LATERAL (
                SELECT x.id, x.uom_id, x.is_active FROM products x
                WHERE x.tenant_id = $1 AND x.name = k.name OFFSET 0
            ) p
        ) AS items,
        (
            SELECT json_agg(json_build_array(k.name, json_build_object('id', b.id, 'name', b.name,
                'location_id', b.location_id, 'location_code', l.code, 'location_name', l.name,
                'area_code', a.code, 'area_name', a.name, 'is_active', b.is_active AND l.is_active,
                'is_frozen', b.frozen_by IS NOT NULL))
                ORDER BY b.id)
            FROM unnest($3::text[]) AS k(name)
            CROSS JOIN LATERAL (
                SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.name = k.name
                UNION ALL
                SELECT y.* FROM locations w
                CROSS JOIN LATERAL (
                    SELECT * FROM bins x
                    WHERE x.tenant_id = $1 AND x.name = substr(k.name, length(w.code) + 2) AND x.location_id = w.id
                    OFFSET 0
                ) y
                WHERE w.tenant_id = $1 AND strpos(k.name, '/') > 0 AND starts_with(k.name, w.code || '/')
                    AND NOT EXISTS (SELECT 1 FROM bins x WHERE x.tenant_id = $1 AND x.name = k.name)
            ) b
            CROSS JOIN LATERAL (
                SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.id = b.location_id OFFSET 0
            ) l
            LEFT JOIN LATERAL (
                SELECT * FROM areas x WHERE x.tenant_id = $1 AND x.id = b.area_id OFFSET 0
            ) a ON true
        ) AS bins,
        (
            SELECT json_agg(json_build_array(p.id, k.lot, t.id))
            FROM unnest($4::text[], $5::text[]) AS k(item, lot)
            CROSS JOIN LATERAL (
                SELECT x.id, x.is_lot_controlled FROM products x
                WHERE x.tenant_id = $1 AND x.name = k.item OFFSET 0
            ) p
            CROSS JOIN LATERAL (
                SELECT x.id FROM lots x
                WHERE x.tenant_id = $1 AND x.product_id = p.id AND x.number = k.lot
                    AND NOT (x.is_default AND p.is_lot_controlled AND {LOTS_DEMANDED})
                OFFSET 0
            ) t
        ) AS lots,
        (
            SELECT json_agg(json_build_object('id', u.id, 'code', u.code, 'name', u.name) ORDER BY u.code)
            FROM uoms u WHERE u.tenant_id = $1
        ) AS units,
        (
            SELECT json_agg(json_build_object('product_id', c.product_id, 'from_uom_id', c.from_uom_id,
                'to_uom_id', c.to_uom_id, 'factor', c.factor) ORDER BY c.id)
            FROM (
                SELECT * FROM uom_conversions x WHERE x.tenant_id = $1 AND x.product_id IS NULL
                UNION ALL
                SELECT y.* FROM unnest($2::text[]) AS k(name)
                CROSS JOIN LATERAL (
                    SELECT x.id FROM products x WHERE x.tenant_id = $1 AND x.name = k.name OFFSET 0
                ) p
                CROSS JOIN LATERAL (
                    SELECT * FROM uom_conversions x WHERE x.tenant_id = $1 AND x.product_id = p.id OFFSET 0
                ) y
            ) c
        ) AS conversions
"""  # noqa: S608 - of a constant
FIND = """
    SELECT k.n, s.id
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[]) WITH ORDINALITY
        AS k(product_id, location_id, bin_id, lot_id, n)
    CROSS JOIN LATERAL (
        SELECT x.id FROM stock_lines x
        WHERE x.tenant_id = $1 AND x.product_id = k.product_id AND x.location_id = k.location_id
            AND x.bin_id = k.bin_id AND x.lot_id = k.lot_id OFFSET 0
    ) s
"""
# Without wishes it locks lines, and then their totals, in the ledger's order.
LOCK = "SELECT claim_settle('[]', $1, $2)"
STANDING = """
    SELECT s.id, s.product_id, s.location_id, s.bin_id, s.lot_id, s.on_hand, s.held, f.layers,
        CASE WHEN s.reserved > 0 THEN s.reserved - ledger_lapsed($1, s.id, clock_timestamp()) ELSE 0 END
            AS reserved
    FROM unnest($2::uuid[]) AS k(id)
    CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = k.id OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(x.date_filled, x.quantity, x.job_id)) AS layers FROM fill_layers x
        WHERE x.tenant_id = $1 AND x.line_id = k.id
    ) f
"""
# Each to be made, to be changed, or to be taken away; whoever finds another number of them met somebody else.
WRITE_LAYERS = """
    WITH made AS (
        INSERT INTO fill_layers (tenant_id, line_id, date_filled, quantity, job_id)
        SELECT $1, k.line_id, k.day, k.quantity, k.job_id
        FROM unnest($2::text[], $3::uuid[], $4::date[], $5::numeric[], $6::uuid[])
            AS k(what, line_id, day, quantity, job_id)
        WHERE k.what = 'make'
        ON CONFLICT DO NOTHING RETURNING 1
    ), changed AS (
        UPDATE fill_layers f SET quantity = k.quantity, job_id = k.job_id
        FROM unnest($2::text[], $3::uuid[], $4::date[], $5::numeric[], $6::uuid[])
            AS k(what, line_id, day, quantity, job_id)
        WHERE k.what = 'change' AND f.tenant_id = $1 AND f.line_id = k.line_id AND f.date_filled = k.day
        RETURNING 1
    ), gone AS (
        DELETE FROM fill_layers f
        USING unnest($2::text[], $3::uuid[], $4::date[]) AS k(what, line_id, day)
        WHERE k.what = 'remove' AND f.tenant_id = $1 AND f.line_id = k.line_id AND f.date_filled = k.day
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM made) + (SELECT count(*) FROM changed) + (SELECT count(*) FROM gone)
"""
# What an earlier attempt kept gives way, but never what was applied.
KEEP = """
    WITH rows_before AS (
        DELETE FROM import_rows WHERE tenant_id = $1 AND job_id = $2
    ), layers_before AS (
        DELETE FROM import_layers WHERE tenant_id = $1 AND job_id = $2
    )
    INSERT INTO imports AS i (tenant_id, job_id, type, description, options, is_applied, is_dry_run, message,
        total, created, updated, unchanged, deleted, failed, posting_id, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (tenant_id, job_id) DO UPDATE SET is_applied = excluded.is_applied, message = excluded.message,
        total = excluded.total, created = excluded.created, updated = excluded.updated,
        unchanged = excluded.unchanged, deleted = excluded.deleted, failed = excluded.failed,
        posting_id = excluded.posting_id
    WHERE NOT i.is_applied
    RETURNING true
"""
KEEP_ROWS = """
    INSERT INTO import_rows (tenant_id, job_id, n, row_no, action, item_name, bin_name, lot_name, date_filled,
        quantity, uom, old_quantity, new_quantity, messages)
    SELECT $1, $2, k.* FROM unnest($3::int[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::numeric[], $13::numeric[], $14::text[]) AS k
"""
KEEP_LAYERS = """
    INSERT INTO import_layers (tenant_id, job_id, line_id, date_filled, before, before_job_id, after)
    SELECT $1, $2, k.* FROM unnest($3::uuid[], $4::date[], $5::numeric[], $6::uuid[], $7::numeric[]) AS k
"""
STORE_INPUT = "INSERT INTO import_files (tenant_id, job_id, name, content) VALUES ($1, $2, $3, $4)"
READ_INPUT = "SELECT name, content FROM import_files WHERE tenant_id = $1 AND job_id = $2"
REASON = (
    "SELECT id FROM reason_codes WHERE tenant_id = $1 AND code = 'CORRECTION' AND is_active AND direction <> 'IN'"
)

# For a hundred thousand records, on a machine that is busy otherwise; idle is a transaction while we compute.
PATIENCE_SECONDS = 600
PATIENCE = f"""
    SELECT set_config('statement_timeout', '{PATIENCE_SECONDS}s', true),
        set_config('idle_in_transaction_session_timeout', '{PATIENCE_SECONDS}s', true)
"""
TO_UNDO = """
    SELECT i.type, i.description, i.is_applied, i.is_dry_run, i.undone_at, i.kept = 'WHOLE' AS is_kept,
        i.posting_id, i.actor_id
    FROM imports i WHERE i.tenant_id = $1 AND i.job_id = $2 FOR NO KEY UPDATE
"""
# A posting's movements stand at consecutive positions.
MOVED = """
    SELECT m.line_id, m.delta, m.effective_at, m.reason_code_id
    FROM postings p
    CROSS JOIN LATERAL (
        SELECT * FROM movements x
        WHERE x.tenant_id = $1 AND x.position >= p.first_position
            AND x.position < p.first_position + p.movement_count
        OFFSET 0
    ) m
    WHERE p.tenant_id = $1 AND p.id = $2
"""
LAYERS_OF = """
    SELECT l.line_id, l.date_filled, l.before, l.before_job_id, l.after, f.quantity, f.job_id
    FROM import_layers l
    LEFT JOIN LATERAL (
        SELECT * FROM fill_layers x
        WHERE x.tenant_id = $1 AND x.line_id = l.line_id AND x.date_filled = l.date_filled OFFSET 0
    ) f ON true
    WHERE l.tenant_id = $1 AND l.job_id = $2 ORDER BY l.line_id, l.date_filled
"""
UNDONE = """
    UPDATE imports SET undone_at = clock_timestamp(), undo_posting_id = $3 WHERE tenant_id = $1 AND job_id = $2
"""
NAMES = """
    SELECT s.id, p.name AS item_name, b.name AS bin_name, t.number AS lot_name
    FROM unnest($2::uuid[]) AS k(id)
    JOIN stock_lines s ON s.tenant_id = $1 AND s.id = k.id
    JOIN products p ON p.tenant_id = $1 AND p.id = s.product_id
    JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id
    JOIN lots t ON t.tenant_id = $1 AND t.id = s.lot_id
"""
