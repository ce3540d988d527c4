-- Counters: how often somebody asks, and how often somebody guesses. They are nobody's data and lie in a schema of
-- their own, where the application has no right at all: it counts through the functions below and reads nothing.
CREATE SCHEMA limits AUTHORIZATION storekeeper_owner;
SET LOCAL ROLE storekeeper_owner;
GRANT USAGE ON SCHEMA limits TO storekeeper_auth;

-- One row for each caller or tenant and class of routes, for the window that it was last used in. A crash may
-- forget it: the window begins anew.
CREATE UNLOGGED TABLE limits.rate_windows (
    subject UUID NOT NULL,
    class TEXT NOT NULL,
    window_no BIGINT NOT NULL,
    used INTEGER NOT NULL,
    CONSTRAINT pk_rate_windows PRIMARY KEY (subject, class)
) WITH (fillfactor = 50);

-- One row for each thing that guesses are counted by. `level` is how many count, as it stood at `counted_at`.
CREATE TABLE limits.login_guesses (
    key BYTEA NOT NULL,
    level DOUBLE PRECISION NOT NULL,
    counted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    forgotten_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_login_guesses PRIMARY KEY (key)
);
CREATE INDEX ix_login_guesses_forgotten_at ON limits.login_guesses (forgotten_at);

-- Browsers that somebody has logged in with, by hashes of the browser's token and of the account's address.
CREATE TABLE limits.login_devices (
    device BYTEA NOT NULL,
    account BYTEA NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_login_devices PRIMARY KEY (device, account)
);
CREATE INDEX ix_login_devices_account_seen_at ON limits.login_devices (account, seen_at);
CREATE INDEX ix_login_devices_seen_at ON limits.login_devices (seen_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON limits.rate_windows, limits.login_guesses, limits.login_devices
    TO storekeeper_auth;
RESET ROLE;

-- Leases of requests: for each subject at most `p_wanted` of what is left in the window of the database's clock,
-- and at most a sixteenth of it, so that little lies idle with one process while another has none.
-- Everybody names a caller before a tenant, so that no two wait for each other.
CREATE FUNCTION rate_lease(p_subjects uuid[], p_classes text[], p_limits int[], p_wanted int[], p_seconds int)
RETURNS TABLE (granted int, remaining int, seconds double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    v_epoch double precision;
    v_window bigint;
    v_row record;
BEGIN
    FOR i IN 1 .. cardinality(p_subjects) LOOP
        LOOP
            SELECT w.window_no, w.used INTO v_row FROM limits.rate_windows w
            WHERE w.subject = p_subjects[i] AND w.class = p_classes[i] FOR UPDATE;
            EXIT WHEN FOUND;
            INSERT INTO limits.rate_windows (subject, class, window_no, used)
            VALUES (p_subjects[i], p_classes[i], 0, 0) ON CONFLICT DO NOTHING;
        END LOOP;
        v_epoch := extract(epoch FROM clock_timestamp());  -- after the wait for the row
        v_window := floor(v_epoch / p_seconds);
        remaining := p_limits[i] - CASE WHEN v_row.window_no = v_window THEN v_row.used ELSE 0 END;
        granted := greatest(least(p_wanted[i], greatest(remaining / 16, 1), remaining), 0);
        remaining := greatest(remaining - granted, 0);
        seconds := (v_window + 1) * p_seconds - v_epoch;
        IF granted > 0 THEN
            UPDATE limits.rate_windows w
            SET window_no = v_window, used = CASE WHEN w.window_no = v_window THEN w.used ELSE 0 END + granted
            WHERE w.subject = p_subjects[i] AND w.class = p_classes[i];
        END IF;
        RETURN NEXT;
    END LOOP;
    IF random() < 0.001 THEN
        DELETE FROM limits.rate_windows w WHERE (w.subject, w.class) IN (
            SELECT o.subject, o.class FROM limits.rate_windows o
            WHERE o.window_no < v_window - 86400 / p_seconds LIMIT 100 FOR UPDATE SKIP LOCKED
        );
    END IF;
END
$$;

-- Count a guess before its password is looked at, or say for how long not to guess. A browser that the account
-- knows is counted by itself alone: neither those who guess from elsewhere nor its neighbours can shut it out.
--
-- A rule is {free, first, longest, leak}: so many guesses without a wait, the first wait, which doubles with each
-- further guess, the longest one, and the time in which one guess is forgotten; all in seconds.
CREATE FUNCTION login_guess(
    p_account bytea, p_network bytea, p_device bytea, p_account_rule double precision[],
    p_network_rule double precision[], OUT wait double precision, OUT device_known boolean, OUT keys bytea[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    v_rule double precision[];
    v_level double precision;
    v_levels double precision[] := '{}';
    v_at timestamptz;
    v_since double precision;
BEGIN
    wait := 0;
    device_known := EXISTS (
        SELECT FROM limits.login_devices d
        WHERE d.device = p_device AND d.account = p_account AND d.seen_at > now() - interval '180 days'
    );
    keys := CASE WHEN device_known THEN ARRAY[sha256(p_account || p_device)] ELSE ARRAY[p_account, p_network] END;
    -- Twice: most that are refused are refused without a lock and without writing anything. Everybody locks an
    -- account before a network, so that no two wait for each other.
    FOR v_pass IN 1 .. 2 LOOP
        FOR i IN 1 .. cardinality(keys) LOOP
            IF v_pass = 1 THEN
                SELECT g.level, g.counted_at INTO v_level, v_at FROM limits.login_guesses g WHERE g.key = keys[i];
                CONTINUE WHEN NOT FOUND;
            ELSE
                INSERT INTO limits.login_guesses AS g (key, level, counted_at, forgotten_at)
                VALUES (keys[i], 0, clock_timestamp(), clock_timestamp())
                ON CONFLICT (key) DO UPDATE SET level = g.level
                RETURNING g.level, g.counted_at INTO v_level, v_at;
            END IF;
            v_rule := CASE i WHEN 1 THEN p_account_rule ELSE p_network_rule END;
            v_since := extract(epoch FROM clock_timestamp() - v_at);
            IF round(v_level) >= v_rule[1] THEN
                wait := greatest(
                    wait, least(v_rule[2] * 2 ^ least(round(v_level) - v_rule[1], 30), v_rule[3]) - v_since
                );
            END IF;
            v_levels[i] := greatest(v_level - v_since / v_rule[4], 0);
        END LOOP;
        IF wait > 0 THEN
            RETURN;
        END IF;
    END LOOP;
    FOR i IN 1 .. cardinality(keys) LOOP
        v_rule := CASE i WHEN 1 THEN p_account_rule ELSE p_network_rule END;
        UPDATE limits.login_guesses g
        SET level = v_levels[i] + 1, counted_at = clock_timestamp(),
            forgotten_at = clock_timestamp() + make_interval(secs => (v_levels[i] + 1) * v_rule[4])
        WHERE g.key = keys[i];
    END LOOP;
    -- Anybody can make up accounts: what has been forgotten goes, a little more often than it comes.
    IF random() < 0.02 THEN
        DELETE FROM limits.login_guesses g WHERE g.key IN (
            SELECT o.key FROM limits.login_guesses o
            WHERE o.forgotten_at < now() ORDER BY o.forgotten_at LIMIT 200 FOR UPDATE SKIP LOCKED
        );
    END IF;
END
$$;

-- A guess that was none: it does not count. With a browser's token the login succeeded, and the account knows it.
CREATE FUNCTION login_guessed_right(p_keys bytea[], p_account bytea, p_device bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_keys) LOOP
        UPDATE limits.login_guesses g SET level = greatest(g.level - 1, 0) WHERE g.key = p_keys[i];
    END LOOP;
    IF p_device IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM limits.login_guesses g WHERE g.key = sha256(p_account || p_device);
    INSERT INTO limits.login_devices (device, account, seen_at) VALUES (p_device, p_account, now())
    ON CONFLICT (device, account) DO UPDATE SET seen_at = excluded.seen_at;
    DELETE FROM limits.login_devices d WHERE d.account = p_account AND d.device IN (
        SELECT o.device FROM limits.login_devices o WHERE o.account = p_account ORDER BY o.seen_at DESC OFFSET 50
    );
    DELETE FROM limits.login_devices d WHERE (d.device, d.account) IN (
        SELECT o.device, o.account FROM limits.login_devices o
        WHERE o.seen_at < now() - interval '180 days' ORDER BY o.seen_at LIMIT 20 FOR UPDATE SKIP LOCKED
    );
END
$$;

-- Whether a browser's token is one of ours, whichever account it was given for: then it is kept.
CREATE FUNCTION login_device_is_ours(p_device bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM limits.login_devices d WHERE d.device = p_device)
$$;

-- Whoever knew the old password may have let many browsers be known by it, and each has guesses of its own: a new
-- password makes strangers of all of them. Accounts have the names that infra/limits/logins.py gives them.
CREATE FUNCTION login_forget_devices() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
    DELETE FROM limits.login_devices d
    WHERE d.account = sha256('account'::bytea || '\x00'::bytea || convert_to(NEW.email, 'UTF8'));
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION login_forget_devices() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION login_forget_devices() TO storekeeper_owner;
SET LOCAL ROLE storekeeper_owner;
CREATE TRIGGER browsers_are_forgotten AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at)
    EXECUTE FUNCTION login_forget_devices();
RESET ROLE;

DO $$
DECLARE
    f regprocedure;
BEGIN
    GRANT CREATE ON SCHEMA public TO storekeeper_auth;
    FOREACH f IN ARRAY ARRAY[
        'rate_lease(uuid[], text[], int[], int[], int)',
        'login_guess(bytea, bytea, bytea, double precision[], double precision[])',
        'login_guessed_right(bytea[], bytea, bytea)',
        'login_device_is_ours(bytea)'
    ]::regprocedure[] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO storekeeper_app', f);
        EXECUTE format('ALTER FUNCTION %s OWNER TO storekeeper_auth', f);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM storekeeper_auth;
END
$$;
