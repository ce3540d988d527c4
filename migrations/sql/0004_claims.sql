-- Claims and holds: what may be promised, decided under locks that are taken in the ledger's order (lines by id,
-- totals by product and location, the tenant's head last). See infra/decisions/0007.

CREATE OR REPLACE FUNCTION ledger_lapsed(p_tenant uuid, p_line uuid, p_now timestamptz) RETURNS numeric
LANGUAGE sql STABLE SET search_path = public, pg_temp
AS $$
    SELECT coalesce(sum(c.quantity), 0)
    FROM reservation_lines c JOIN reservations r ON r.tenant_id = c.tenant_id AND r.id = c.reservation_id
    WHERE c.tenant_id = p_tenant AND c.line_id = p_line AND r.state = 'LIVE' AND r.expires_at <= p_now
$$;

-- How many holds lie on all of a line. Each by its own index: one condition with OR would use none.
CREATE FUNCTION hold_count(p_tenant uuid, p_line stock_lines) RETURNS int
LANGUAGE sql STABLE SET search_path = public, pg_temp
AS $$
    SELECT (
        (SELECT count(*) FROM holds h WHERE h.tenant_id = p_tenant AND h.state = 'ACTIVE' AND h.scope = 'LINE'
            AND h.line_id = p_line.id AND h.quantity IS NULL)
        + (SELECT count(*) FROM holds h WHERE h.tenant_id = p_tenant AND h.state = 'ACTIVE' AND h.scope = 'LOT'
            AND h.lot_id = p_line.lot_id)
        + (SELECT count(*) FROM holds h WHERE h.tenant_id = p_tenant AND h.state = 'ACTIVE' AND h.scope = 'BIN'
            AND h.bin_id = p_line.bin_id)
        + (SELECT count(*) FROM holds h WHERE h.tenant_id = p_tenant AND h.state = 'ACTIVE' AND h.scope = 'PRODUCT'
            AND h.product_id = p_line.product_id AND h.location_id = p_line.location_id)
    )::int
$$;

-- Bring lines' held quantities in step with the holds. The caller holds the locks of the lines and their totals.
CREATE FUNCTION hold_apply(p_tenant uuid, p_lines uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    l stock_lines;
    v_whole int; v_part numeric; v_held numeric;
BEGIN
    FOR l IN
        SELECT s.* FROM unnest(p_lines) k(id)
        CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = p_tenant AND x.id = k.id OFFSET 0) s
        ORDER BY s.id
    LOOP
        v_whole := hold_count(p_tenant, l);
        SELECT coalesce(sum(h.quantity - h.released), 0) INTO v_part FROM holds h
        WHERE h.tenant_id = p_tenant AND h.state = 'ACTIVE' AND h.scope = 'LINE' AND h.line_id = l.id
            AND h.quantity IS NOT NULL;
        v_held := CASE WHEN v_whole > 0 THEN l.on_hand ELSE least(l.on_hand, v_part) END;
        CONTINUE WHEN v_whole = l.whole_holds AND v_part = l.held_part AND v_held = l.held;
        UPDATE stock_lines s SET whole_holds = v_whole, held_part = v_part, held = v_held
        WHERE s.tenant_id = p_tenant AND s.id = l.id;
        UPDATE stock_totals t SET held = t.held + v_held - l.held
        WHERE t.tenant_id = p_tenant AND t.product_id = l.product_id AND t.location_id = l.location_id
            AND v_held <> l.held AND EXISTS (
                SELECT 1 FROM bins b WHERE b.tenant_id = p_tenant AND b.location_id = l.location_id AND b.id = l.bin_id
                    AND b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE'));
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION ledger_hold_new(p_tenant uuid, p_lines uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM holds h WHERE h.tenant_id = p_tenant AND h.state = 'ACTIVE') THEN
        PERFORM hold_apply(p_tenant, p_lines);
    END IF;
END
$$;

-- The lines that a hold of this scope covers.
CREATE FUNCTION hold_lines(p_tenant uuid, h holds) RETURNS uuid[]
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    RETURN CASE h.scope
        WHEN 'LINE' THEN ARRAY[h.line_id]
        WHEN 'LOT' THEN ARRAY(SELECT s.id FROM stock_lines s
            WHERE s.tenant_id = p_tenant AND s.lot_id = h.lot_id ORDER BY s.id)
        WHEN 'BIN' THEN ARRAY(SELECT s.id FROM stock_lines s
            WHERE s.tenant_id = p_tenant AND s.bin_id = h.bin_id ORDER BY s.id)
        ELSE ARRAY(SELECT s.id FROM stock_lines s
            WHERE s.tenant_id = p_tenant AND s.product_id = h.product_id AND s.location_id = h.location_id ORDER BY s.id)
    END;
END
$$;

-- Lock lines in the order of their ids, then their totals in theirs.
CREATE FUNCTION claim_lock_lines(p_tenant uuid, p_lines uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
BEGIN
    PERFORM 1 FROM (SELECT DISTINCT k.id FROM unnest(p_lines) k(id) ORDER BY k.id) k
    CROSS JOIN LATERAL (
        SELECT 1 FROM stock_lines s WHERE s.tenant_id = p_tenant AND s.id = k.id FOR NO KEY UPDATE
    ) s;
    PERFORM 1 FROM (
        SELECT DISTINCT s.product_id, s.location_id FROM unnest(p_lines) k(id)
        CROSS JOIN LATERAL (
            SELECT x.product_id, x.location_id FROM stock_lines x WHERE x.tenant_id = p_tenant AND x.id = k.id OFFSET 0
        ) s
        ORDER BY 1, 2
    ) k
    CROSS JOIN LATERAL (
        SELECT 1 FROM stock_totals t
        WHERE t.tenant_id = p_tenant AND t.product_id = k.product_id AND t.location_id = k.location_id
        FOR NO KEY UPDATE
    ) t;
END
$$;

-- Place a hold, or release one (all of it, or a quantity of it). The scope's lines are locked first; a line that
-- comes meanwhile is seen once the head is ours, and then the locks are taken again with it among them.
--
-- p_hold  {id, type, scope, line_id, lot_id, bin_id, product_id, location_id, quantity, reason, note,
--          expected_until} to place, {id, release: true, quantity, expected_version} to release
-- p_act   {actorId, actor, sessionId, keyId, requestId, scope: [locations] or null}
--
-- Returns {code: DONE, hold, lines: [{line_id, product_id, location_id, on_hand, reserved, held, held_before}]}.
CREATE FUNCTION hold_change(p_hold jsonb, p_act jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_release boolean := coalesce((p_hold ->> 'release')::boolean, false);
    v_quantity numeric := (p_hold ->> 'quantity')::numeric;
    v_scope uuid[];
    v_on_hand numeric;
    h holds;
    v_lines uuid[]; v_again uuid[];
    v_before jsonb; v_shown jsonb;
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no tenant is bound to this connection' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('app.act', p_act::text, true);
    IF jsonb_typeof(p_act -> 'scope') = 'array' THEN
        v_scope := ARRAY(SELECT jsonb_array_elements_text(p_act -> 'scope')::uuid);
    END IF;
    IF v_release THEN
        SELECT * INTO h FROM holds x WHERE x.tenant_id = v_tenant AND x.id = (p_hold ->> 'id')::uuid;
        IF NOT FOUND THEN
            RETURN jsonb_build_object('code', 'NOT_FOUND', 'facts', jsonb_build_object('field', 'holdId'));
        END IF;
    ELSE
        h := jsonb_populate_record(NULL::holds, p_hold || jsonb_build_object('tenant_id', v_tenant));
    END IF;
    v_lines := hold_lines(v_tenant, h);
    LOOP
        BEGIN
            PERFORM claim_lock_lines(v_tenant, v_lines);
            PERFORM 1 FROM ledger_heads x WHERE x.tenant_id = v_tenant FOR NO KEY UPDATE;
            v_again := hold_lines(v_tenant, h);
            EXIT WHEN v_again <@ v_lines;
            RAISE EXCEPTION 'a line came while others were waited for' USING ERRCODE = 'LG001';
        EXCEPTION WHEN SQLSTATE 'LG001' THEN
            v_lines := v_again;
        END;
    END LOOP;
    IF v_scope IS NOT NULL AND (
        coalesce(h.location_id <> ALL (v_scope), false)
        OR EXISTS (
            SELECT 1 FROM stock_lines s
            WHERE s.tenant_id = v_tenant AND s.id = ANY (v_lines) AND s.location_id <> ALL (v_scope))
        OR (h.scope = 'LOT')  -- a lot is held everywhere, also where it is not yet
    ) THEN
        RETURN jsonb_build_object('code', 'LOCATION_DENIED', 'facts', '{}'::jsonb);
    END IF;
    SELECT jsonb_object_agg(s.id, s.held) INTO v_before FROM stock_lines s
    WHERE s.tenant_id = v_tenant AND s.id = ANY (v_lines);

    IF v_release THEN
        SELECT * INTO h FROM holds x WHERE x.tenant_id = v_tenant AND x.id = h.id FOR NO KEY UPDATE;
        IF (p_hold ->> 'expected_version')::int <> h.version THEN
            RETURN jsonb_build_object('code', 'STALE_VERSION', 'facts',
                jsonb_build_object('expected', (p_hold ->> 'expected_version')::int, 'actual', h.version));
        ELSIF h.state <> 'ACTIVE' THEN
            RETURN jsonb_build_object('code', 'INVALID_TRANSITION', 'facts',
                jsonb_build_object('state', h.state, 'allowedActions', '[]'::jsonb));
        ELSIF v_quantity IS NOT NULL AND h.scope <> 'LINE' THEN
            RETURN jsonb_build_object('code', 'VALIDATION_ERROR', 'facts',
                ledger_field('quantity', 'is for holds on a stock line only: the others are released as a whole'));
        END IF;
        IF v_quantity IS NOT NULL AND h.quantity IS NULL THEN
            -- What is left holds the rest of what is there now as a part, and no longer what arrives.
            SELECT s.on_hand INTO STRICT v_on_hand FROM stock_lines s WHERE s.tenant_id = v_tenant AND s.id = h.line_id;
            IF v_quantity < v_on_hand THEN
                h.quantity := v_on_hand;
                UPDATE holds x SET quantity = v_on_hand WHERE x.tenant_id = v_tenant AND x.id = h.id;
            ELSIF v_quantity = v_on_hand THEN
                v_quantity := NULL;
            END IF;
        END IF;
        IF v_quantity > coalesce(h.quantity - h.released, v_on_hand) THEN
            RETURN jsonb_build_object('code', 'QUANTITY_OUT_OF_RANGE', 'facts', jsonb_build_object(
                'requested', v_quantity, 'held', trim_scale(coalesce(h.quantity - h.released, v_on_hand))));
        END IF;
        UPDATE holds x SET
            released = CASE WHEN x.quantity IS NULL THEN 0 ELSE x.released + coalesce(v_quantity, x.quantity - x.released) END,
            state = CASE WHEN x.quantity - x.released > v_quantity THEN 'ACTIVE' ELSE 'RELEASED' END,
            released_at = CASE WHEN x.quantity - x.released > v_quantity THEN NULL ELSE clock_timestamp() END,
            version = x.version + 1, updated_at = clock_timestamp()
        WHERE x.tenant_id = v_tenant AND x.id = h.id RETURNING * INTO h;
    ELSE
        IF h.scope = 'LINE' AND NOT EXISTS (
            SELECT 1 FROM stock_lines s WHERE s.tenant_id = v_tenant AND s.id = h.line_id
        ) THEN
            RETURN jsonb_build_object('code', 'NOT_FOUND', 'facts', jsonb_build_object('field', 'inventoryItemId'));
        END IF;
        INSERT INTO holds (tenant_id, id, type, scope, line_id, lot_id, bin_id, product_id, location_id, quantity, reason,
            note, expected_until, actor_id, actor)
        VALUES (v_tenant, h.id, h.type, h.scope, h.line_id, h.lot_id, h.bin_id, h.product_id, h.location_id, h.quantity,
            h.reason, h.note, h.expected_until, (p_act ->> 'actorId')::uuid, p_act ->> 'actor')
        RETURNING * INTO h;
    END IF;
    PERFORM hold_apply(v_tenant, v_lines);
    SELECT coalesce(jsonb_agg(jsonb_build_object('line_id', s.id, 'product_id', s.product_id,
            'location_id', s.location_id, 'on_hand', trim_scale(s.on_hand),
            'reserved', trim_scale(s.reserved - ledger_lapsed(v_tenant, s.id, clock_timestamp())),
            'held', trim_scale(s.held), 'held_before', trim_scale((v_before ->> s.id::text)::numeric)) ORDER BY s.id), '[]')
    INTO v_shown
    FROM stock_lines s WHERE s.tenant_id = v_tenant AND s.id = ANY (v_lines) AND (s.on_hand > 0 OR s.reserved > 0);
    PERFORM event_append(CASE WHEN v_release THEN 'hold.released.v1' ELSE 'hold.placed.v1' END, 'hold', h.id,
        ARRAY(SELECT DISTINCT s.location_id FROM stock_lines s WHERE s.tenant_id = v_tenant AND s.id = ANY (v_lines)),
        jsonb_build_object('hold', to_jsonb(h) - 'tenant_id'), p_act ->> 'requestId');
    RETURN jsonb_build_object('code', 'DONE', 'hold', to_jsonb(h) - 'tenant_id', 'lines', v_shown);
END
$$;

-- Take claims off their lines, all or part of each. The caller holds the locks of lines and totals.
-- p_state  what becomes of the reservation: RELEASED or EXPIRED give back what the channel had taken,
--          CONVERTED keeps it taken
CREATE FUNCTION claim_close(p_tenant uuid, p_id uuid, p_quantity numeric, p_state text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    r reservations;
    c record;
    v_left numeric;
    v_take numeric;
    v_fence numeric := 0;
BEGIN
    SELECT * INTO STRICT r FROM reservations x WHERE x.tenant_id = p_tenant AND x.id = p_id;
    v_left := p_quantity;
    -- The last taken, by the order of use, goes first.
    FOR c IN SELECT * FROM reservation_lines x WHERE x.tenant_id = p_tenant AND x.reservation_id = p_id
        ORDER BY x.line_id DESC
    LOOP
        EXIT WHEN v_left = 0;
        v_take := least(v_left, c.quantity);
        v_left := v_left - v_take;
        IF v_take = c.quantity THEN
            DELETE FROM reservation_lines x
            WHERE x.tenant_id = p_tenant AND x.reservation_id = p_id AND x.line_id = c.line_id;
        ELSE
            UPDATE reservation_lines x SET quantity = x.quantity - v_take
            WHERE x.tenant_id = p_tenant AND x.reservation_id = p_id AND x.line_id = c.line_id;
        END IF;
        UPDATE stock_lines s SET reserved = s.reserved - v_take WHERE s.tenant_id = p_tenant AND s.id = c.line_id;
    END LOOP;
    UPDATE stock_totals t SET reserved = t.reserved - p_quantity,
        allocated = t.allocated - CASE WHEN r.kind = 'HARD' THEN p_quantity ELSE 0 END
    WHERE t.tenant_id = p_tenant AND t.product_id = r.product_id AND t.location_id = r.location_id;
    -- The last taken goes back first: see domain/availability/taking.py.
    v_fence := CASE WHEN r.mode = 'IRON_RESERVE' THEN least(p_quantity, r.fence_quantity)
        ELSE greatest(0, p_quantity - (r.open_quantity - r.fence_quantity)) END;
    IF p_state <> 'CONVERTED' AND r.channel_id IS NOT NULL THEN
        UPDATE channel_usage u SET used = greatest(0, u.used - CASE WHEN u.period = r.fence_period THEN v_fence ELSE p_quantity END)
        WHERE u.tenant_id = p_tenant AND u.product_id = r.product_id AND u.location_id = r.location_id
            AND u.channel_id = r.channel_id AND u.period IN (r.fence_period, r.ceiling_period);
    END IF;
    UPDATE reservations x SET open_quantity = x.open_quantity - p_quantity, fence_quantity = x.fence_quantity - v_fence,
        state = CASE WHEN x.open_quantity = p_quantity THEN p_state ELSE x.state END,
        resolved_at = CASE WHEN x.open_quantity = p_quantity THEN clock_timestamp() END, version = x.version + 1
    WHERE x.tenant_id = p_tenant AND x.id = p_id;
END
$$;

-- The lines of products at locations that can be claimed, or are, in the order of their ids.
CREATE FUNCTION claim_lines(p_tenant uuid, p_products uuid[], p_locations uuid[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT s.id FROM unnest(p_products, p_locations) AS k(product_id, location_id)
        CROSS JOIN LATERAL (
            SELECT x.id FROM stock_lines x
            WHERE x.tenant_id = p_tenant AND x.product_id = k.product_id AND x.location_id = k.location_id
                AND (x.on_hand > 0 OR x.reserved > 0)
            OFFSET 0
        ) s
        ORDER BY s.id);
END
$$;

-- The first half of a claim: lock what can be claimed of products at locations, let go of what has run out, and say
-- what there is, as `availability_terms` does. Nothing that it says can change before the transaction ends.
CREATE FUNCTION claim_begin(p_products uuid[], p_locations uuid[], p_act jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_lapsed record;
    v_lines uuid[]; v_again uuid[];
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no tenant is bound to this connection' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('app.act', p_act::text, true);
    v_lines := claim_lines(v_tenant, p_products, p_locations);
    LOOP
        BEGIN
            PERFORM 1 FROM unnest(v_lines) AS k(id)
            CROSS JOIN LATERAL (
                SELECT 1 FROM stock_lines l WHERE l.tenant_id = v_tenant AND l.id = k.id FOR NO KEY UPDATE
            ) l;
            PERFORM 1 FROM (
                SELECT DISTINCT k.product_id, k.location_id
                FROM unnest(p_products, p_locations) AS k(product_id, location_id)
                ORDER BY 1, 2
            ) k
            CROSS JOIN LATERAL (
                SELECT 1 FROM stock_totals t
                WHERE t.tenant_id = v_tenant AND t.product_id = k.product_id AND t.location_id = k.location_id
                FOR NO KEY UPDATE
            ) t;
            -- Stock that came while others were waited for is offered below, and must be locked in the order, too.
            v_again := claim_lines(v_tenant, p_products, p_locations);
            EXIT WHEN v_again <@ v_lines;
            RAISE EXCEPTION 'a line came while others were waited for' USING ERRCODE = 'LG001';
        EXCEPTION WHEN SQLSTATE 'LG001' THEN
            v_lines := v_again;
        END;
    END LOOP;
    FOR v_lapsed IN
        SELECT r.id, r.open_quantity
        FROM (SELECT DISTINCT * FROM unnest(p_products, p_locations) AS x(product_id, location_id)) k
        CROSS JOIN LATERAL (
            SELECT x.id, x.open_quantity FROM reservations x
            WHERE x.tenant_id = v_tenant AND x.product_id = k.product_id AND x.location_id = k.location_id
                AND x.state = 'LIVE' AND x.expires_at <= clock_timestamp()
            OFFSET 0
        ) r
    LOOP
        PERFORM claim_close(v_tenant, v_lapsed.id, v_lapsed.open_quantity, 'EXPIRED');
    END LOOP;
    RETURN availability_terms(p_products, p_locations, true);
END
$$;

-- The second half: write claims that were decided on what `claim_begin` said, in the same transaction.
-- p_claims  [{id, group_id, kind, channel_id, product_id, location_id, quantity, mode, fence_quantity,
--             fence_period, ceiling_period, ttl_seconds, external_ref, source_type, source_id, document_id, lines: [{line_id, quantity}]}]
-- A claim of a document is resolved by that document alone, and told of in its events.
-- The last word is the database's: a line never promises what it cannot give.
CREATE FUNCTION claim_make(p_claims jsonb, p_act jsonb) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_now timestamptz;
    c record;
    l record;
    v_free boolean;
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no tenant is bound to this connection' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('app.act', p_act::text, true);
    PERFORM claim_lock_lines(v_tenant, ARRAY(
        SELECT (q.line ->> 'line_id')::uuid FROM jsonb_array_elements(p_claims) AS x(claim)
        CROSS JOIN LATERAL jsonb_array_elements(x.claim -> 'lines') AS q(line)));
    v_now := clock_timestamp();
    FOR c IN
        SELECT * FROM jsonb_to_recordset(p_claims) AS q(
            id uuid, group_id uuid, kind text, channel_id uuid, product_id uuid, location_id uuid, quantity numeric,
            mode text, fence_quantity numeric, fence_period text, ceiling_period text, ttl_seconds int, external_ref text,
            source_type text, source_id text, document_id uuid, lines jsonb)
    LOOP
        INSERT INTO reservations (tenant_id, id, group_id, kind, state, channel_id, product_id, location_id, quantity,
            open_quantity, mode, fence_quantity, fence_period, ceiling_period, external_ref, source_type, source_id,
            document_id, actor_id, actor, expires_at, created_at)
        VALUES (v_tenant, c.id, c.group_id, c.kind, 'LIVE', c.channel_id, c.product_id, c.location_id, c.quantity,
            c.quantity, coalesce(c.mode, 'REGULAR'), coalesce(c.fence_quantity, 0), c.fence_period, c.ceiling_period, c.external_ref, c.source_type,
            c.source_id, c.document_id, (p_act ->> 'actorId')::uuid, p_act ->> 'actor',
            CASE WHEN c.kind = 'SOFT' THEN v_now + make_interval(secs => c.ttl_seconds) END, v_now);
        FOR l IN SELECT * FROM jsonb_to_recordset(c.lines) AS q(line_id uuid, quantity numeric) LOOP
            SELECT s.on_hand - s.held - s.reserved >= l.quantity AND l.quantity > 0
                AND s.product_id = c.product_id AND s.location_id = c.location_id
                AND b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')
            INTO v_free
            FROM stock_lines s
            CROSS JOIN LATERAL (
                SELECT x.type FROM bins x
                WHERE x.tenant_id = v_tenant AND x.location_id = s.location_id AND x.id = s.bin_id OFFSET 0
            ) b
            WHERE s.tenant_id = v_tenant AND s.id = l.line_id;
            IF v_free IS NOT TRUE THEN
                RAISE EXCEPTION 'line % cannot give %', l.line_id, l.quantity
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_stock_lines_promised';
            END IF;
            UPDATE stock_lines s SET reserved = s.reserved + l.quantity WHERE s.tenant_id = v_tenant AND s.id = l.line_id;
            INSERT INTO reservation_lines (tenant_id, reservation_id, line_id, quantity)
            VALUES (v_tenant, c.id, l.line_id, l.quantity);
        END LOOP;
        IF c.quantity <> (SELECT sum(q.quantity) FROM jsonb_to_recordset(c.lines) AS q(quantity numeric)) THEN
            RAISE EXCEPTION 'the lines of claim % do not add up', c.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_reservations_lines_add_up';
        END IF;
        UPDATE stock_totals t SET reserved = t.reserved + c.quantity,
            allocated = t.allocated + CASE WHEN c.kind = 'HARD' THEN c.quantity ELSE 0 END
        WHERE t.tenant_id = v_tenant AND t.product_id = c.product_id AND t.location_id = c.location_id;
        INSERT INTO channel_usage AS u (tenant_id, product_id, location_id, channel_id, period, used)
        SELECT v_tenant, c.product_id, c.location_id, c.channel_id, k.period, k.used
        FROM (VALUES (c.fence_period, c.fence_quantity), (c.ceiling_period, c.quantity)) AS k(period, used)
        WHERE c.channel_id IS NOT NULL AND k.period IS NOT NULL AND k.used > 0
        ON CONFLICT (tenant_id, product_id, location_id, channel_id, period) DO UPDATE SET used = u.used + excluded.used;
        -- Periods of the same policy that are over count no more.
        DELETE FROM channel_usage u
        WHERE u.tenant_id = v_tenant AND u.product_id = c.product_id AND u.location_id = c.location_id
            AND u.channel_id = c.channel_id AND u.period NOT IN (coalesce(c.fence_period, ''), coalesce(c.ceiling_period, ''))
            AND (starts_with(u.period, substring(c.fence_period FROM '^.*:'))
                OR starts_with(u.period, substring(c.ceiling_period FROM '^.*:')));
    END LOOP;
    IF p_claims -> 0 ->> 'document_id' IS NOT NULL THEN
        RETURN v_now;
    END IF;
    PERFORM event_append('reservation.made.v1', 'reservation', (p_claims -> 0 ->> 'group_id')::uuid,
        ARRAY(SELECT DISTINCT (q.claim ->> 'location_id')::uuid FROM jsonb_array_elements(p_claims) AS q(claim)),
        jsonb_build_object('claims', p_claims), p_act ->> 'requestId');
    RETURN v_now;
END
$$;

-- Resolve a claim, or extend it.
-- p_wish  {id, action: RELEASE, ALLOCATE, CONSUME or EXTEND, quantity, ttl_seconds, expected_version, new_id,
--          source_type, source_id}
--   RELEASE   gives stock back, all of it or a quantity
--   ALLOCATE  a soft claim becomes a hard one of `quantity` (new_id), and what is left of it is given back
--   CONSUME   takes `quantity` off the claim so that a posting in the same transaction can take it from the lines
--             that are told; what is left of it is given back
--   EXTEND    lets a soft claim live so much longer from now
-- Returns {code: DONE, reservation, lines: [{line_id, quantity}]}: each claim is resolved exactly once, whoever races.
CREATE FUNCTION claim_resolve(p_wish jsonb, p_act jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_action text := p_wish ->> 'action';
    v_quantity numeric := (p_wish ->> 'quantity')::numeric;
    v_new uuid := (p_wish ->> 'new_id')::uuid;
    v_left numeric;
    r reservations;
    v_lines jsonb;
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no tenant is bound to this connection' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('app.act', p_act::text, true);
    SELECT * INTO r FROM reservations x WHERE x.tenant_id = v_tenant AND x.id = (p_wish ->> 'id')::uuid;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('code', 'NOT_FOUND', 'facts', '{}'::jsonb);
    ELSIF jsonb_typeof(p_act -> 'scope') = 'array' AND NOT p_act -> 'scope' ? r.location_id::text THEN
        RETURN jsonb_build_object('code', 'LOCATION_DENIED', 'facts', jsonb_build_object('location_id', r.location_id));
    ELSIF r.document_id::text <> coalesce(p_act ->> 'documentId', '') THEN
        RETURN jsonb_build_object('code', 'IN_USE', 'facts',
            jsonb_build_object('sourceType', r.source_type, 'sourceId', r.source_id));
    END IF;
    -- Whoever resolves a claim holds the total of its product and location: that makes it happen once.
    PERFORM claim_lock_lines(v_tenant, ARRAY(
        SELECT x.line_id FROM reservation_lines x WHERE x.tenant_id = v_tenant AND x.reservation_id = r.id));
    PERFORM 1 FROM stock_totals t
    WHERE t.tenant_id = v_tenant AND t.product_id = r.product_id AND t.location_id = r.location_id FOR NO KEY UPDATE;
    SELECT * INTO STRICT r FROM reservations x WHERE x.tenant_id = v_tenant AND x.id = r.id;
    IF r.state = 'LIVE' AND r.expires_at <= clock_timestamp() THEN
        PERFORM claim_close(v_tenant, r.id, r.open_quantity, 'EXPIRED');
        SELECT * INTO STRICT r FROM reservations x WHERE x.tenant_id = v_tenant AND x.id = r.id;
    END IF;
    IF (p_wish ->> 'expected_version')::int <> r.version THEN
        RETURN jsonb_build_object('code', 'STALE_VERSION', 'facts', jsonb_build_object(
            'expected', (p_wish ->> 'expected_version')::int, 'actual', r.version, 'state', r.state));
    ELSIF r.state <> 'LIVE' OR (v_action IN ('ALLOCATE', 'EXTEND') AND r.kind = 'HARD') THEN
        RETURN jsonb_build_object('code', 'INVALID_TRANSITION', 'facts', jsonb_build_object('state', r.state,
            'kind', r.kind, 'allowedActions', CASE
                WHEN r.state <> 'LIVE' THEN '[]'::jsonb WHEN r.kind = 'HARD' THEN '["release", "convert"]'
                ELSE '["extend", "release", "convert"]' END));
    ELSIF v_quantity > r.open_quantity THEN
        RETURN jsonb_build_object('code', 'VALIDATION_ERROR', 'facts',
            ledger_field('quantity', 'is more than the reservation still covers'));
    END IF;
    v_quantity := coalesce(v_quantity, r.open_quantity);
    IF v_action = 'EXTEND' THEN
        UPDATE reservations x SET version = x.version + 1,
            expires_at = clock_timestamp() + make_interval(secs => (p_wish ->> 'ttl_seconds')::int)
        WHERE x.tenant_id = v_tenant AND x.id = r.id;
    ELSIF v_action = 'RELEASE' THEN
        PERFORM claim_close(v_tenant, r.id, v_quantity, 'RELEASED');
    ELSE
        IF v_quantity < r.open_quantity THEN
            PERFORM claim_close(v_tenant, r.id, r.open_quantity - v_quantity, 'RELEASED');
        END IF;
        SELECT jsonb_agg(jsonb_build_object('line_id', x.line_id, 'quantity', trim_scale(x.quantity)) ORDER BY x.line_id)
        INTO v_lines FROM reservation_lines x WHERE x.tenant_id = v_tenant AND x.reservation_id = r.id;
        SELECT x.fence_quantity INTO v_left FROM reservations x WHERE x.tenant_id = v_tenant AND x.id = r.id;
        PERFORM claim_close(v_tenant, r.id, v_quantity, 'CONVERTED');
        IF v_action = 'ALLOCATE' THEN
            INSERT INTO reservations (tenant_id, id, group_id, kind, state, channel_id, product_id, location_id, quantity,
                open_quantity, mode, fence_quantity, fence_period, ceiling_period, external_ref, source_type, source_id,
                actor_id, actor)
            VALUES (v_tenant, v_new, r.group_id, 'HARD', 'LIVE', r.channel_id, r.product_id, r.location_id, v_quantity,
                v_quantity, r.mode, v_left, r.fence_period, r.ceiling_period, r.external_ref,
                coalesce(p_wish ->> 'source_type', r.source_type), coalesce(p_wish ->> 'source_id', r.source_id),
                (p_act ->> 'actorId')::uuid, p_act ->> 'actor');
            INSERT INTO reservation_lines (tenant_id, reservation_id, line_id, quantity)
            SELECT v_tenant, v_new, q.line_id, q.quantity FROM jsonb_to_recordset(v_lines) AS q(line_id uuid, quantity numeric);
            UPDATE stock_lines s SET reserved = s.reserved + q.quantity
            FROM jsonb_to_recordset(v_lines) AS q(line_id uuid, quantity numeric)
            WHERE s.tenant_id = v_tenant AND s.id = q.line_id;
            UPDATE stock_totals t SET reserved = t.reserved + v_quantity, allocated = t.allocated + v_quantity
            WHERE t.tenant_id = v_tenant AND t.product_id = r.product_id AND t.location_id = r.location_id;
        END IF;
    END IF;
    SELECT * INTO STRICT r FROM reservations x
    WHERE x.tenant_id = v_tenant AND x.id = CASE WHEN v_action = 'ALLOCATE' THEN v_new ELSE r.id END;
    IF r.document_id IS NULL THEN
        PERFORM event_append('reservation.' || CASE v_action WHEN 'EXTEND' THEN 'extended' WHEN 'RELEASE' THEN 'released'
                WHEN 'ALLOCATE' THEN 'allocated' ELSE 'consumed' END || '.v1', 'reservation', r.id, ARRAY[r.location_id],
            jsonb_build_object('reservation', to_jsonb(r) - 'tenant_id', 'quantity', v_quantity), p_act ->> 'requestId');
    END IF;
    RETURN jsonb_build_object('code', 'DONE', 'reservation', to_jsonb(r) - 'tenant_id' || jsonb_build_object('lines', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('line_id', x.line_id, 'quantity', trim_scale(x.quantity))
            ORDER BY x.line_id), '[]')
        FROM reservation_lines x WHERE x.tenant_id = v_tenant AND x.reservation_id = r.id
    )), 'lines', coalesce(v_lines, '[]'));
END
$$;

-- Resolve claims of one document (`documentId` of the act). The lines of all of them, and others that the same
-- transaction is going to post to, are locked first, in the ledger's order.
-- Returns {code: DONE, resolved: [what claim_resolve returns]}, or the first refusal: then the caller rolls back.
CREATE FUNCTION claim_settle(p_wishes jsonb, p_lines uuid[], p_act jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_wish jsonb;
    v_answer jsonb;
    v_resolved jsonb[] := '{}';
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no tenant is bound to this connection' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM claim_lock_lines(v_tenant, p_lines || ARRAY(
        SELECT c.line_id FROM jsonb_array_elements(p_wishes) AS x(wish)
        CROSS JOIN LATERAL (
            SELECT y.line_id FROM reservation_lines y
            WHERE y.tenant_id = v_tenant AND y.reservation_id = (x.wish ->> 'id')::uuid OFFSET 0
        ) c));
    FOR v_wish IN SELECT * FROM jsonb_array_elements(p_wishes) LOOP
        v_answer := claim_resolve(v_wish, p_act);
        IF v_answer ->> 'code' <> 'DONE' THEN
            RETURN v_answer;
        END IF;
        v_resolved := v_resolved || v_answer;
    END LOOP;
    RETURN jsonb_build_object('code', 'DONE', 'resolved', to_jsonb(v_resolved));
END
$$;

-- What there is of products at locations, and what channels may take of it, for the one function that computes ATP.
-- p_lines  with the lines that can be claimed, in FEFO order, and the supply that is still to come
--
-- {position, now, pools: [{product_id, location_id, today, is_open, on_hand, sellable, held, reserved, allocated, lapsed,
--   safety_stock, lots: [{expires_on, status, quantity, claimed}], lines: […],
--   supplies: [{id, due_on, quantity}]}],
--  channels: [{id, code, name, type, location_ids}], policies: […], usage: […]}
-- `lots` is sellable stock that is not held, of lots that expire or are not active: `lines`, where they are told, say
-- the same, so that they are not read twice; `lapsed` is the part of
-- `reserved` that has run out by the clock and has not been swept.
CREATE FUNCTION availability_terms(p_products uuid[], p_locations uuid[], p_lines boolean) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_now timestamptz := clock_timestamp();
    v_pools jsonb; v_channels jsonb; v_policies jsonb; v_usage jsonb; v_position bigint;
BEGIN
    SELECT h.position INTO v_position FROM ledger_heads h WHERE h.tenant_id = v_tenant;
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'product_id', k.product_id, 'location_id', k.location_id, 'today', (v_now AT TIME ZONE w.time_zone)::date,
        'is_open', w.is_active AND coalesce(v.available_from <= (v_now AT TIME ZONE w.time_zone)::date, true),
        'on_hand', coalesce(t.on_hand, 0), 'sellable', coalesce(t.sellable, 0), 'held', coalesce(t.held, 0),
        'reserved', coalesce(t.reserved, 0), 'allocated', coalesce(t.allocated, 0), 'lapsed', g.lapsed,
        'safety_stock', coalesce(v.safety_stock, 0), 'lots', n.lots, 'lines', i.lines, 'supplies', d.supplies)
        ORDER BY k.n), '[]')
    INTO v_pools
    FROM unnest(p_products, p_locations) WITH ORDINALITY AS k(product_id, location_id, n)
    CROSS JOIN LATERAL (
        SELECT x.time_zone, x.is_active FROM locations x
        WHERE x.tenant_id = v_tenant AND x.id = k.location_id OFFSET 0
    ) w
    LEFT JOIN LATERAL (
        SELECT * FROM stock_totals x
        WHERE x.tenant_id = v_tenant AND x.product_id = k.product_id AND x.location_id = k.location_id OFFSET 0
    ) t ON true
    LEFT JOIN LATERAL (
        SELECT x.safety_stock, x.available_from FROM stock_levels x
        WHERE x.tenant_id = v_tenant AND x.product_id = k.product_id AND x.location_id = k.location_id OFFSET 0
    ) v ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.open_quantity), 0) AS lapsed FROM reservations x
        WHERE x.tenant_id = v_tenant AND x.product_id = k.product_id AND x.location_id = k.location_id
            AND x.state = 'LIVE' AND x.expires_at <= v_now
    ) g
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('expires_on', o.expires_on, 'status', o.status, 'quantity', o.quantity,
            'claimed', o.claimed)) AS lots
        FROM (
            SELECT x.expires_on, x.status, sum(s.on_hand - s.held) AS quantity,
                sum(least(s.on_hand - s.held, s.reserved - CASE
                    WHEN g.lapsed > 0 THEN ledger_lapsed(v_tenant, s.id, v_now) ELSE 0 END)) AS claimed
            FROM stock_lines s
            CROSS JOIN LATERAL (
                SELECT y.expires_on, y.status FROM lots y
                WHERE y.tenant_id = v_tenant AND y.product_id = s.product_id AND y.id = s.lot_id
                    AND (y.expires_on IS NOT NULL OR y.status <> 'ACTIVE') OFFSET 0
            ) x
            CROSS JOIN LATERAL (
                SELECT y.type FROM bins y
                WHERE y.tenant_id = v_tenant AND y.location_id = s.location_id AND y.id = s.bin_id OFFSET 0
            ) b
            WHERE NOT p_lines AND s.tenant_id = v_tenant AND s.product_id = k.product_id
                AND s.location_id = k.location_id AND s.on_hand > s.held AND b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')
            GROUP BY x.expires_on, x.status
        ) o
    ) n
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('id', y.id, 'due_on', y.due_on, 'quantity', y.quantity - y.received)
            ORDER BY y.due_on, y.id) AS supplies
        FROM supplies y
        WHERE p_lines AND y.tenant_id = v_tenant AND y.product_id = k.product_id AND y.location_id = k.location_id
            AND y.state = 'OPEN' AND y.quantity > y.received
    ) d
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
            'line_id', s.id, 'lot_id', s.lot_id, 'lot_number', nullif(x.number, ''), 'expires_on', x.expires_on,
            'status', x.status, 'bin_id', s.bin_id, 'bin_code', b.code, 'on_hand', s.on_hand, 'held', s.held,
            'reserved', s.reserved - CASE WHEN g.lapsed > 0 THEN ledger_lapsed(v_tenant, s.id, v_now) ELSE 0 END,
            'created_at', s.created_at) ORDER BY x.expires_on NULLS LAST, s.created_at, s.id) AS lines
        FROM stock_lines s
        CROSS JOIN LATERAL (
            SELECT y.number, y.expires_on, y.status FROM lots y
            WHERE y.tenant_id = v_tenant AND y.product_id = s.product_id AND y.id = s.lot_id OFFSET 0
        ) x
        CROSS JOIN LATERAL (
            SELECT y.code, y.type FROM bins y
            WHERE y.tenant_id = v_tenant AND y.location_id = s.location_id AND y.id = s.bin_id OFFSET 0
        ) b
        WHERE p_lines AND s.tenant_id = v_tenant AND s.product_id = k.product_id AND s.location_id = k.location_id
            AND s.on_hand > 0 AND b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')
    ) i ON true;
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'code', c.code, 'name', c.name, 'type', c.type,
        'location_ids', (
            SELECT coalesce(jsonb_agg(x.location_id), '[]') FROM channel_locations x
            WHERE x.tenant_id = v_tenant AND x.channel_id = c.id AND x.location_id = ANY (p_locations)
        )) ORDER BY c.code), '[]')
    INTO v_channels
    FROM channels c WHERE c.tenant_id = v_tenant AND c.is_active;
    SELECT coalesce(jsonb_agg(to_jsonb(p) - 'tenant_id' - 'created_at' - 'updated_at' ORDER BY p.id), '[]')
    INTO v_policies
    FROM (
        SELECT x.* FROM channel_policies x WHERE x.tenant_id = v_tenant AND x.product_id IS NULL
        UNION ALL
        SELECT x.* FROM (SELECT DISTINCT id FROM unnest(p_products) AS u(id)) k
        CROSS JOIN LATERAL (
            SELECT * FROM channel_policies y WHERE y.tenant_id = v_tenant AND y.product_id = k.id OFFSET 0
        ) x
    ) p
    WHERE p.location_id IS NULL OR p.location_id = ANY (p_locations);
    SELECT coalesce(jsonb_agg(jsonb_build_object('product_id', u.product_id, 'location_id', u.location_id,
        'channel_id', u.channel_id, 'period', u.period, 'used', u.used)), '[]')
    INTO v_usage
    FROM (SELECT DISTINCT * FROM unnest(p_products, p_locations) AS x(product_id, location_id)) k
    CROSS JOIN LATERAL (
        SELECT * FROM channel_usage x
        WHERE x.tenant_id = v_tenant AND x.product_id = k.product_id AND x.location_id = k.location_id AND x.used > 0
        OFFSET 0
    ) u;
    RETURN jsonb_build_object('position', v_position, 'now', v_now, 'pools', v_pools, 'channels', v_channels,
        'policies', v_policies, 'usage', v_usage);
END
$$;

REVOKE ALL ON FUNCTION hold_change(jsonb, jsonb), claim_begin(uuid[], uuid[], jsonb), claim_make(jsonb, jsonb),
    claim_resolve(jsonb, jsonb), claim_settle(jsonb, uuid[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_change(jsonb, jsonb), claim_begin(uuid[], uuid[], jsonb), claim_make(jsonb, jsonb),
    claim_resolve(jsonb, jsonb), claim_settle(jsonb, uuid[], jsonb) TO storekeeper_app;
GRANT CREATE ON SCHEMA public TO storekeeper_ledger;
ALTER FUNCTION hold_change(jsonb, jsonb) OWNER TO storekeeper_ledger;
ALTER FUNCTION claim_begin(uuid[], uuid[], jsonb) OWNER TO storekeeper_ledger;
ALTER FUNCTION claim_make(jsonb, jsonb) OWNER TO storekeeper_ledger;
ALTER FUNCTION claim_resolve(jsonb, jsonb) OWNER TO storekeeper_ledger;
ALTER FUNCTION claim_settle(jsonb, uuid[], jsonb) OWNER TO storekeeper_ledger;
REVOKE CREATE ON SCHEMA public FROM storekeeper_ledger;
