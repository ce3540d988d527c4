DROP FUNCTION webhook_due(int);
DROP POLICY for_dispatch ON ledger_heads;
REVOKE SELECT ON ledger_heads FROM storekeeper_auth;
DROP TABLE webhook_attempts, webhook_deliveries, webhook_cursors, webhook_secrets, webhooks;
