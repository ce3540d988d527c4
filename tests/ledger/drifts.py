"""Ways to falsify the books with a superuser's rights, and what `verify` has to say about each."""

ONE_LINE = "(SELECT line_id FROM movements WHERE tenant_id = $1 AND position = 6)"
LAST = "(SELECT position FROM ledger_heads WHERE tenant_id = $1)"
A_TRANSFER = "(SELECT min(position) FROM movements WHERE tenant_id = $1 AND kind = 'TRANSFER_OUT')"
A_CLAIMED = "(SELECT min(line_id::text)::uuid FROM reservation_lines WHERE tenant_id = $1)"
DRIFTS = {
    "a balance": (
        f"UPDATE stock_lines SET on_hand = on_hand + 1 WHERE tenant_id = $1 AND id = {ONE_LINE}",
        {"line.on_hand", "total.on_hand", "stock.sum"},
    ),
    "the smallest part of a balance": (
        f"UPDATE stock_lines SET on_hand = on_hand + 0.0001 WHERE tenant_id = $1 AND id = {ONE_LINE}",
        {"line.on_hand", "total.on_hand", "stock.sum"},
    ),
    "a version": (
        f"UPDATE stock_lines SET version = version + 1 WHERE tenant_id = $1 AND id = {ONE_LINE}",
        {"line.version"},
    ),
    "a line out of nothing": (
        """
        INSERT INTO stock_lines (tenant_id, id, product_id, location_id, bin_id, lot_id, on_hand)
        SELECT $1, gen_random_uuid(), product_id, location_id, gen_random_uuid(), lot_id, 3
        FROM stock_lines WHERE tenant_id = $1 LIMIT 1
        """,
        {"line.on_hand", "count.lines", "stock.sum"},
    ),
    "a line gone": (
        f"DELETE FROM stock_lines WHERE tenant_id = $1 AND id = {ONE_LINE}",
        {"line.missing", "count.lines", "total.on_hand", "stock.sum"},
    ),
    "a movement gone": (
        "DELETE FROM movements WHERE tenant_id = $1 AND position = 6",
        {"movement.position", "line.on_hand", "line.version", "posting.movement_count", "head.position"},
    ),
    "the last movement gone": (
        f"DELETE FROM movements WHERE tenant_id = $1 AND position = {LAST}",
        {"line.on_hand", "line.version", "posting.movement_count", "head.position"},
    ),
    "a movement of the middle gone, with its line and posting made to fit": (
        """
        WITH gone AS (
            DELETE FROM movements m WHERE tenant_id = $1 AND position = (
                SELECT min(m.position) FROM movements m JOIN stock_lines s ON s.tenant_id = $1 AND s.id = m.line_id
                WHERE m.tenant_id = $1 AND m.line_version = 2 AND s.version > 2
            ) RETURNING *
        ), posting AS (
            UPDATE postings p SET movement_count = movement_count - 1 FROM gone
            WHERE p.tenant_id = $1 AND p.id = gone.posting_id
        )
        UPDATE stock_lines s SET on_hand = on_hand - gone.delta, version = version - 1 FROM gone
        WHERE s.tenant_id = $1 AND s.id = gone.line_id
        """,
        {"movement.position", "movement.line_version", "movement.balance_after", "head.position"},
    ),
    "a movement twice": (
        f"""
        INSERT INTO movements SELECT (jsonb_populate_record(m, jsonb_build_object(
            'position', {LAST} + 1, 'line_version', 1000))).*
        FROM movements m WHERE tenant_id = $1 AND position = 6
        """,
        {"movement.line_version", "line.on_hand", "line.version", "posting.movement_count", "head.position"},
    ),
    "a quantity": (
        "UPDATE movements SET delta = delta + 1 WHERE tenant_id = $1 AND position = 6",
        {"movement.balance_after", "line.on_hand", "head.quantity_in"},
    ),
    "two quantities that make up for each other": (
        f"""
        UPDATE movements SET delta = delta + CASE line_version WHEN 1 THEN 1 ELSE -1 END
        WHERE tenant_id = $1 AND line_id = {ONE_LINE} AND line_version <= 2
        """,
        {"movement.balance_after"},
    ),
    "a balance after": (
        "UPDATE movements SET balance_after = balance_after + 1 WHERE tenant_id = $1 AND position = 6",
        {"movement.balance_after"},
    ),
    "a movement on another line": (
        f"""
        UPDATE movements SET line_version = 1000, line_id = (
            SELECT id FROM stock_lines WHERE tenant_id = $1 AND id <> {ONE_LINE} LIMIT 1
        ) WHERE tenant_id = $1 AND position = 6
        """,
        {"line.on_hand", "line.version", "movement.line_version"},
    ),
    "a movement's product": (
        "UPDATE movements SET product_id = gen_random_uuid() WHERE tenant_id = $1 AND position = 6",
        {"movement.place"},
    ),
    "a movement's location": (
        "UPDATE movements SET location_id = gen_random_uuid() WHERE tenant_id = $1 AND position = 6",
        {"movement.place"},
    ),
    "a movement in another posting": (
        f"""
        UPDATE movements SET posting_id = (
            SELECT posting_id FROM movements WHERE tenant_id = $1 AND position = {LAST}
        ) WHERE tenant_id = $1 AND position = 6
        """,
        {"posting.movement_count", "posting.first_position", "posting.scattered"},
    ),
    "a kind": (
        "UPDATE movements SET kind = 'PUT_AWAY' WHERE tenant_id = $1 AND position = 6",
        {"conservation", "head.quantity_in"},
    ),
    "a transfer that arrives as more than it left": (
        f"UPDATE movements SET delta = delta - 1 WHERE tenant_id = $1 AND position = {A_TRANSFER}",
        {"conservation", "movement.balance_after", "line.on_hand"},
    ),
    "a posting gone": (
        "DELETE FROM postings WHERE tenant_id = $1 AND first_position = 1",
        {"posting.missing", "posting.movement_count", "event.count"},
    ),
    "a posting's first position": (
        "UPDATE postings SET first_position = 2 WHERE tenant_id = $1 AND first_position = 1",
        {"posting.first_position"},
    ),
    "a posting's number of movements": (
        "UPDATE postings SET movement_count = movement_count + 1 WHERE tenant_id = $1 AND first_position = 1",
        {"posting.movement_count"},
    ),
    "a posting that nobody made": (
        """
        INSERT INTO postings (tenant_id, id, kind, first_position, movement_count, recorded_at)
        VALUES ($1, gen_random_uuid(), 'ISSUE', 3, 2, now())
        """,
        {"posting.without_movements", "event.missing"},
    ),
    "an event gone": (
        "DELETE FROM events WHERE tenant_id = $1 AND position = 6",
        {"event.position", "event.missing", "head.event_position"},
    ),
    "the last event gone": (
        """
        DELETE FROM events WHERE tenant_id = $1
            AND position = (SELECT event_position FROM ledger_heads WHERE tenant_id = $1)
        """,
        {"event.missing", "head.event_position"},
    ),
    **{
        f"a total's {column}": (
            f"""
            UPDATE stock_totals SET {column} = {column} + 1 WHERE tenant_id = $1 AND product_id = (
                SELECT product_id FROM movements WHERE tenant_id = $1 AND position = 6
            )
            """,
            {f"total.{column}"},
        )
        for column in ("on_hand", "sellable", "reserved", "held", "allocated")
    },
    **{
        f"a claimed line's {column}": (
            f"UPDATE stock_lines SET {column} = abs({column} - 1) WHERE tenant_id = $1 AND id = {A_CLAIMED}",
            {f"line.{column}"},
        )
        for column in ("reserved", "held", "held_part", "whole_holds")
    },
    "a claim's line gone": (
        f"DELETE FROM reservation_lines WHERE tenant_id = $1 AND line_id = {A_CLAIMED}",
        {"line.reserved", "reservation.open_quantity"},
    ),
    "a claim on another line": (
        f"""
        UPDATE reservation_lines SET line_id = (
            SELECT id FROM stock_lines WHERE tenant_id = $1 AND reserved = 0 LIMIT 1
        ) WHERE tenant_id = $1 AND line_id = {A_CLAIMED}
        """,
        {"line.reserved"},
    ),
    "an allocation's quantity": (
        """
        UPDATE reservations SET quantity = quantity + 1, open_quantity = open_quantity + 1
        WHERE tenant_id = $1 AND kind = 'HARD'
        """,
        {"reservation.open_quantity", "total.allocated"},
    ),
    "a claim that ended without leaving its lines": (
        "UPDATE reservations SET state = 'RELEASED', open_quantity = 0 WHERE tenant_id = $1 AND kind = 'SOFT'",
        {"reservation.resolved"},
    ),
    "a hold gone": (
        "DELETE FROM holds WHERE tenant_id = $1 AND scope = 'LOT'",
        {"line.whole_holds", "line.held"},
    ),
    "a part of a hold gone": (
        "UPDATE holds SET released = released + 1 WHERE tenant_id = $1 AND scope = 'LINE'",
        {"line.held_part", "line.held"},
    ),
    "a total gone": (
        """
        DELETE FROM stock_totals WHERE tenant_id = $1 AND product_id = (
            SELECT product_id FROM movements WHERE tenant_id = $1 AND position = 6
        )
        """,
        {"total.missing"},
    ),
    "a bin's type": (
        """
        UPDATE bins SET type = 'HOLD' WHERE tenant_id = $1
            AND id = (SELECT bin_id FROM stock_lines WHERE tenant_id = $1 AND on_hand > 0 AND bin_id IN (
                SELECT id FROM bins WHERE tenant_id = $1 AND type = 'STANDARD') LIMIT 1)
        """,
        {"total.sellable"},
    ),
    "a count of lines": ("UPDATE stock_counts SET lines = lines + 1 WHERE tenant_id = $1", {"count.lines"}),
    "the counts of lines gone": ("DELETE FROM stock_counts WHERE tenant_id = $1", {"count.lines"}),
    **{
        f"the head's {column}": (
            f"UPDATE ledger_heads SET {column} = {column} + 1 WHERE tenant_id = $1",
            {f"head.{column}"},
        )
        for column in ("position", "event_position", "quantity_in", "quantity_out")
    },
    "the head gone": ("DELETE FROM ledger_heads WHERE tenant_id = $1", {"head.missing"}),
}
