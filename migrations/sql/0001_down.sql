-- Roles belong to the cluster, other databases may use them: they stay, their rights here go.
DROP FUNCTION ledger_post(jsonb, jsonb, boolean), event_append(text, text, uuid, uuid[], jsonb, text),
    ledger_missing(ledger_entry), ledger_resolve(uuid, ledger_entry[], boolean), ledger_line_id(),
    ledger_field(text, text), ledger_outcomes(uuid, jsonb), ledger_event_type(text), ledger_lapsed(uuid, uuid, timestamptz), ledger_hold_new(uuid, uuid[]),
    auth_by_email(text), auth_by_session(bytea), auth_by_key(bytea);
DROP TYPE ledger_entry;
DROP TABLE
    movements, postings, events, idempotency_keys, ledger_heads, stock_counts, stock_totals, stock_lines, stock_levels,
    reason_codes, uom_conversions, lots, bins, areas, grants, locations, products, uoms, categories,
    api_keys, sessions, role_permissions, roles, memberships, users, tenants;
DROP FUNCTION refuse_change(), check_conservation(), wall_off(text[]);
REVOKE ALL ON SCHEMA public FROM
    storekeeper_owner, storekeeper_app, storekeeper_ledger, storekeeper_auth, storekeeper_audit;
