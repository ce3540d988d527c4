DROP FUNCTION hold_change(jsonb, jsonb), claim_begin(uuid[], uuid[], jsonb), claim_make(jsonb, jsonb),
    claim_resolve(jsonb, jsonb), claim_settle(jsonb, uuid[], jsonb), availability_terms(uuid[], uuid[], boolean), claim_close(uuid, uuid, numeric, text),
    claim_lock_lines(uuid, uuid[]), claim_lines(uuid, uuid[], uuid[]), hold_apply(uuid, uuid[]), hold_lines(uuid, holds), hold_count(uuid, stock_lines);
CREATE OR REPLACE FUNCTION ledger_lapsed(p_tenant uuid, p_line uuid, p_now timestamptz) RETURNS numeric LANGUAGE sql
STABLE SET search_path = public, pg_temp AS $$ SELECT 0::numeric $$;
CREATE OR REPLACE FUNCTION ledger_hold_new(p_tenant uuid, p_lines uuid[]) RETURNS void LANGUAGE sql
VOLATILE SET search_path = public, pg_temp AS $$ SELECT $$;
DROP INDEX ix_stock_lines_claimed;
DROP TABLE availability_records, destructions, supplies, holds, reservation_lines, reservations, channel_usage,
    channel_policies, channel_locations, channels;
REVOKE SELECT ON stock_levels FROM storekeeper_ledger;
ALTER TABLE stock_levels DROP COLUMN available_from;
