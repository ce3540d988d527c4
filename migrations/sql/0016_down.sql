SET LOCAL ROLE storekeeper_owner;
DROP TRIGGER tokens_end ON memberships;
DROP FUNCTION tokens_end_with_membership();
DROP TRIGGER access_is_announced ON users;
CREATE TRIGGER access_is_announced AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.email, OLD.name, OLD.is_active) IS DISTINCT FROM (NEW.email, NEW.name, NEW.is_active))
    EXECUTE FUNCTION announce_access('user', 'id');
RESET ROLE;
DROP FUNCTION auth_by_token(bytea);
SET LOCAL ROLE storekeeper_owner;
DROP TABLE tokens;
RESET ROLE;
