"""The ledger's statement with one of its guards taken out, so that each race test can be seen red.

`STOREKEEPER_SABOTAGE=no-line-lock pytest tests/races/test_oversell.py` runs a test against such a ledger;
test_sabotage.py does it for all of them.
"""

import os

import asyncpg
import msgspec

LOCKING = "    -- 4. Lock the lines in the order of their ids."
ANY_ORDER = """
    PERFORM 1 FROM stock_lines l
    WHERE l.tenant_id = v_tenant AND l.id IN (SELECT q.line_id FROM unnest(entries) q)
    ORDER BY random() FOR NO KEY UPDATE;
"""
POSITIONS = "        INTO STRICT v_base, v_event;"
# For calls of one movement each; the pause is what a slow disk would be.
SEQUENCES = """
        INTO v_base, v_event;
        v_base := nextval('sabotage_positions') - 1;
        v_event := nextval('sabotage_events') - 1;
        PERFORM pg_sleep(random() * 0.01);
"""
SEQUENCES_TOO = """
    CREATE SEQUENCE sabotage_positions;
    CREATE SEQUENCE sabotage_events;
    GRANT USAGE ON SEQUENCE sabotage_positions, sabotage_events TO storekeeper_ledger;
    CREATE OR REPLACE FUNCTION event_append(p_type text, p_entity_type text, p_entity_id uuid,
        p_location_ids uuid[], p_payload jsonb, p_request_id text) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        INSERT INTO events (tenant_id, position, type, entity_type, entity_id, location_ids, payload, recorded_at)
        VALUES (current_setting('app.tenant')::uuid, nextval('sabotage_events'), p_type, p_entity_type,
            p_entity_id, p_location_ids, p_payload, clock_timestamp())
        RETURNING position
    $$
"""
SECOND_WALLS = """
    ALTER TABLE movements DROP CONSTRAINT uq_movements_tenant_id_line_id_line_version;
    ALTER TABLE stock_totals DROP CONSTRAINT ck_stock_totals_on_hand_range,
        DROP CONSTRAINT ck_stock_totals_sellable_range
"""
ONE_LINE_A_SHELF = "uq_stock_lines_tenant_id_product_id_location_id_bin_id_lot_id"
POST = "ledger_post(jsonb, jsonb, boolean)"
HOLD = "hold_change(jsonb, jsonb)"
FUNCTION = "SELECT pg_get_functiondef($1::text::regprocedure)"


class Sabotage(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to replace in the statement, and what else stands in the way."""

    replaced: tuple[tuple[str, str], ...] = ()
    before: str = ""
    red: str
    """The test that has to fail."""
    function: str = POST


SABOTAGES = {
    # Lines are written as they were read; unique versions and totals above zero would still catch most of it.
    "no-line-lock": Sabotage(
        replaced=(("AND l.id = k.line_id FOR NO KEY UPDATE", "AND l.id = k.line_id OFFSET 0"),),
        before=SECOND_WALLS,
        red="test_oversell.py test_one_line.py test_history.py",
    ),
    "lines-locked-in-any-order": Sabotage(
        replaced=((LOCKING, ANY_ORDER + LOCKING),),
        red="test_deadlocks.py",
    ),
    "lines-made-twice": Sabotage(
        replaced=(("ON CONFLICT DO NOTHING RETURNING id\n", "RETURNING id\n"),),
        before=f"ALTER TABLE stock_lines DROP CONSTRAINT {ONE_LINE_A_SHELF}",
        red="test_first_touch.py",
    ),
    "keys-not-claimed": Sabotage(
        before="ALTER TABLE idempotency_keys DROP CONSTRAINT pk_idempotency_keys",
        red="test_idempotency.py",
    ),
    "expected-not-compared": Sabotage(
        replaced=(("e.expected IS NOT NULL AND e.expected <> bal[e.slot]", "false"),),
        red="test_compare_and_set.py",
    ),
    "reversals-not-counted": Sabotage(
        replaced=(
            (
                "SELECT 1 FROM postings o WHERE o.tenant_id = v_tenant AND o.reverses_id = p.reverses_id",
                "SELECT 1 WHERE false",
            ),
        ),
        before="DROP INDEX uq_postings_reverses",
        red="test_reversals.py",
    ),
    # Holds and receipts that do not meet at the head: each looks while the other is not there yet.
    "holds-pass-by": Sabotage(
        function=HOLD,
        replaced=(("PERFORM 1 FROM ledger_heads x WHERE x.tenant_id = v_tenant FOR NO KEY UPDATE;", ""),),
        red="test_holds.py",
    ),
    # What a bare sequence would do: positions are handed out before, and not in the order of, commits.
    "positions-from-a-sequence": Sabotage(
        replaced=(
            (POSITIONS, SEQUENCES),
            ("        WHERE h.tenant_id = v_tenant\n        RETURNING", "        WHERE false\n        RETURNING"),
        ),
        before=SEQUENCES_TOO,
        red="test_feed.py",
    ),
}


async def commit_sabotage(admin_url: str) -> None:
    """Take out the guard that the environment names, if it names one."""
    name = os.environ.get("STOREKEEPER_SABOTAGE")
    if not name:
        return
    sabotage = SABOTAGES[name]
    connection = await asyncpg.connect(admin_url)
    try:
        body = await connection.fetchval(FUNCTION, sabotage.function)
        for old, new in sabotage.replaced:
            assert old in body, f"the statement no longer says {old!r}"
            body = body.replace(old, new)
        if sabotage.before:
            await connection.execute(sabotage.before)
        await connection.execute(body)
    finally:
        await connection.close()
