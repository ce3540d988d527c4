-- Stocklists, the search for products, and what supervisors read of stock requests.

-- Trigrams find a name in spite of a typing error. Both are trusted: whoever may create in the database may add them.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

SET LOCAL ROLE storekeeper_owner;

CREATE TABLE stocklists (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    origin_location_id UUID NOT NULL,
    destination_location_id UUID NOT NULL,
    mode TEXT NOT NULL,
    review_period_days INTEGER,
    is_active BOOLEAN DEFAULT true NOT NULL,
    generated_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_stocklists_code_length CHECK (length(code) BETWEEN 1 AND 64),
    CONSTRAINT ck_stocklists_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_stocklists_mode_known CHECK (mode IN ('PUSH', 'PULL')),
    CONSTRAINT ck_stocklists_review_period_days_range CHECK (review_period_days BETWEEN 1 AND 366),
    CONSTRAINT ck_stocklists_ends_differ CHECK (origin_location_id <> destination_location_id)
);
CREATE INDEX ix_stocklists_tenant_id_origin_location_id ON stocklists (tenant_id, origin_location_id);
CREATE INDEX ix_stocklists_tenant_id_destination_location_id ON stocklists (tenant_id, destination_location_id);
ALTER TABLE stocklists ADD CONSTRAINT uq_stocklists_tenant_id_code UNIQUE (tenant_id, code);
ALTER TABLE stocklists ADD CONSTRAINT pk_stocklists PRIMARY KEY (tenant_id, id);
ALTER TABLE stocklists ADD CONSTRAINT fk_stocklists_tenant_id_origin_location_id
    FOREIGN KEY (tenant_id, origin_location_id) REFERENCES locations (tenant_id, id);
ALTER TABLE stocklists ADD CONSTRAINT fk_stocklists_tenant_id_destination_location_id
    FOREIGN KEY (tenant_id, destination_location_id) REFERENCES locations (tenant_id, id);

CREATE TABLE stocklist_lines (
    tenant_id UUID NOT NULL,
    stocklist_id UUID NOT NULL,
    product_id UUID NOT NULL,
    position INTEGER NOT NULL,
    maximum NUMERIC(18, 4) NOT NULL,
    minimum NUMERIC(18, 4),
    pack_multiple NUMERIC(18, 4),
    CONSTRAINT ck_stocklist_lines_maximum_range CHECK (maximum <> 'NaN' AND maximum >= 0),
    CONSTRAINT ck_stocklist_lines_minimum_range CHECK (minimum <> 'NaN' AND minimum >= 0),
    CONSTRAINT ck_stocklist_lines_pack_multiple_range CHECK (pack_multiple <> 'NaN' AND pack_multiple >= 0)
);
CREATE INDEX ix_stocklist_lines_tenant_id_product_id ON stocklist_lines (tenant_id, product_id);
ALTER TABLE stocklist_lines ADD CONSTRAINT pk_stocklist_lines PRIMARY KEY (tenant_id, stocklist_id, product_id);
ALTER TABLE stocklist_lines ADD CONSTRAINT fk_stocklist_lines_tenant_id_stocklist_id
    FOREIGN KEY (tenant_id, stocklist_id) REFERENCES stocklists (tenant_id, id);
ALTER TABLE stocklist_lines ADD CONSTRAINT fk_stocklist_lines_tenant_id_product_id
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id);

-- What supervisors look at is counted when a request changes, so that no answer takes longer for a longer past:
-- so many requests by what is asked for (`measure`), from one location to another. The rest of the key is what the
-- measure has, and '', -infinity or zeros where it has none:
--   STATE      state, type
--   REQUESTER  ref: who asked
--   CATEGORY   ref: the category of products in it (zeros: of none), state; `amount`: the quantity requested
--   SUBMITTED  day
--   ISSUED     day; `amount`: the quantity requested, `other`: issued
--   RECEIVED   day; `amount`: seconds since it was submitted
-- Days are those of UTC. What has been deleted is not counted.
CREATE TABLE stock_request_counts (
    tenant_id UUID NOT NULL,
    measure TEXT NOT NULL,
    origin_location_id UUID NOT NULL,
    destination_location_id UUID NOT NULL,
    state TEXT NOT NULL,
    type TEXT NOT NULL,
    day DATE NOT NULL,
    ref UUID NOT NULL,
    requests BIGINT NOT NULL,
    amount NUMERIC(30, 4) NOT NULL,
    other NUMERIC(30, 4) NOT NULL,
    CONSTRAINT ck_stock_request_counts_measure_known CHECK (measure IN (
        'STATE', 'REQUESTER', 'CATEGORY', 'SUBMITTED', 'ISSUED', 'RECEIVED'))
);
ALTER TABLE stock_request_counts ADD CONSTRAINT pk_stock_request_counts PRIMARY KEY (
    tenant_id, measure, day, origin_location_id, destination_location_id, state, type, ref);
ALTER TABLE stock_request_counts ADD CONSTRAINT fk_stock_request_counts_tenant_id
    FOREIGN KEY (tenant_id) REFERENCES tenants (id);
-- What each request counts for now, so that it can be taken back.
CREATE TABLE stock_request_counted (
    tenant_id UUID NOT NULL,
    request_id UUID NOT NULL,
    cells JSONB NOT NULL,
    CONSTRAINT pk_stock_request_counted PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT fk_stock_request_counted_tenant_id_request_id FOREIGN KEY (tenant_id, request_id)
        REFERENCES stock_requests (tenant_id, id)
);
-- The categories of its products when it was last changed; zeros for products without one.
CREATE TABLE stock_request_categories (
    tenant_id UUID NOT NULL,
    category_id UUID NOT NULL,
    request_id UUID NOT NULL,
    CONSTRAINT pk_stock_request_categories PRIMARY KEY (tenant_id, category_id, request_id),
    CONSTRAINT fk_stock_request_categories_tenant_id_request_id FOREIGN KEY (tenant_id, request_id)
        REFERENCES stock_requests (tenant_id, id)
);
CREATE INDEX ix_stock_request_categories_tenant_id_request_id ON stock_request_categories (tenant_id, request_id);
CREATE INDEX ix_stock_requests_deadline ON stock_requests (tenant_id, deadline_at, id)
    WHERE state = 'PENDING_APPROVAL' AND deadline_at IS NOT NULL;
CREATE INDEX ix_stock_requests_needed ON stock_requests (tenant_id, needed_by, id)
    WHERE state IN ('PENDING_APPROVAL', 'APPROVED', 'PICKING') AND needed_by IS NOT NULL;
CREATE INDEX ix_stock_requests_submitted ON stock_requests (tenant_id, submitted_at, id)
    WHERE submitted_at IS NOT NULL AND NOT is_deleted;
CREATE INDEX ix_stock_requests_created ON stock_requests (tenant_id, id) WHERE NOT is_deleted;
CREATE INDEX ix_stock_request_lines_open ON stock_request_lines (tenant_id, product_id, request_id)
    WHERE open > 0;
CREATE INDEX ix_stock_requests_of_stocklist ON stock_requests (tenant_id, stocklist_id, id)
    WHERE stocklist_id IS NOT NULL;

SELECT wall_off(
    'stocklists', 'stocklist_lines', 'stock_request_counts', 'stock_request_counted', 'stock_request_categories'
);
GRANT SELECT, INSERT, UPDATE ON stocklists TO storekeeper_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON stocklist_lines TO storekeeper_app;
SELECT audit_table('stocklists', 'stocklist');
SELECT audit_table('stocklist_lines', 'stocklist_line', '{stocklist_id,product_id}');

GRANT SELECT, INSERT, UPDATE ON stock_request_counts, stock_request_counted TO storekeeper_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON stock_request_categories TO storekeeper_app;

-- What a request counts for, as it stands.
CREATE FUNCTION stock_request_cells(r stock_requests)
RETURNS TABLE (measure text, state text, type text, day date, ref uuid, amount numeric, other numeric)
LANGUAGE sql STABLE SET search_path = public, pg_temp
AS $$
    WITH nothing AS (SELECT '-infinity'::date AS day, '00000000-0000-0000-0000-000000000000'::uuid AS ref)
    SELECT 'STATE', r.state, r.type, n.day, n.ref, 0, 0 FROM nothing n WHERE NOT r.is_deleted
    UNION ALL
    SELECT 'REQUESTER', '', '', n.day, r.requester_id, 0, 0 FROM nothing n WHERE NOT r.is_deleted
    UNION ALL
    SELECT 'CATEGORY', r.state, '', n.day, coalesce(p.category_id, n.ref), sum(l.requested), 0
    FROM nothing n
    JOIN stock_request_lines l ON l.tenant_id = r.tenant_id AND l.request_id = r.id
    JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id
    WHERE NOT r.is_deleted
    GROUP BY n.day, coalesce(p.category_id, n.ref)
    UNION ALL
    SELECT 'SUBMITTED', '', '', (r.submitted_at AT TIME ZONE 'UTC')::date, n.ref, 0, 0
    FROM nothing n WHERE NOT r.is_deleted AND r.submitted_at IS NOT NULL
    UNION ALL
    SELECT 'ISSUED', '', '', (r.issued_at AT TIME ZONE 'UTC')::date, n.ref,
        coalesce(sum(l.requested) FILTER (WHERE l.substitutes_line_id IS NULL), 0), coalesce(sum(l.issued), 0)
    FROM nothing n
    LEFT JOIN stock_request_lines l ON l.tenant_id = r.tenant_id AND l.request_id = r.id
    WHERE NOT r.is_deleted AND r.issued_at IS NOT NULL
    GROUP BY n.ref
    UNION ALL
    SELECT 'RECEIVED', '', '', (r.received_at AT TIME ZONE 'UTC')::date, n.ref,
        coalesce(extract(epoch FROM r.received_at - r.submitted_at), 0)::numeric(30, 4), 0
    FROM nothing n WHERE NOT r.is_deleted AND r.received_at IS NOT NULL
$$;
-- At the commit, when all else is written and the tenant's head is held: nobody waits for a count who could be waited
-- for. Whatever changes the lines of a request changes its version, too.
CREATE FUNCTION stock_request_count() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
DECLARE
    r stock_requests;
    v_before jsonb;
    v_after jsonb;
BEGIN
    SELECT * INTO STRICT r FROM stock_requests x WHERE x.tenant_id = NEW.tenant_id AND x.id = NEW.id;
    SELECT coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object(
            'origin', r.origin_location_id, 'destination', r.destination_location_id)), '[]')
    INTO v_after FROM stock_request_cells(r) c;
    SELECT x.cells INTO v_before FROM stock_request_counted x WHERE x.tenant_id = r.tenant_id AND x.request_id = r.id;
    IF v_before = v_after THEN
        RETURN NULL;
    END IF;
    INSERT INTO stock_request_counts AS k (tenant_id, measure, origin_location_id, destination_location_id, state, type,
        day, ref, requests, amount, other)
    SELECT r.tenant_id, d.measure, d.origin, d.destination, d.state, d.type, d.day, d.ref, sum(d.sign),
        sum(d.sign * d.amount), sum(d.sign * d.other)
    FROM (
        SELECT 1 AS sign, a.* FROM jsonb_to_recordset(v_after) AS a(measure text, origin uuid, destination uuid,
            state text, type text, day date, ref uuid, amount numeric, other numeric)
        UNION ALL
        SELECT -1, b.* FROM jsonb_to_recordset(v_before) AS b(measure text, origin uuid, destination uuid,
            state text, type text, day date, ref uuid, amount numeric, other numeric)
    ) d
    GROUP BY d.measure, d.day, d.origin, d.destination, d.state, d.type, d.ref
    HAVING sum(d.sign) <> 0 OR sum(d.sign * d.amount) <> 0 OR sum(d.sign * d.other) <> 0
    ORDER BY d.measure, d.day, d.origin, d.destination, d.state, d.type, d.ref
    ON CONFLICT (tenant_id, measure, day, origin_location_id, destination_location_id, state, type, ref) DO UPDATE
    SET requests = k.requests + excluded.requests, amount = k.amount + excluded.amount,
        other = k.other + excluded.other;
    INSERT INTO stock_request_counted AS k (tenant_id, request_id, cells) VALUES (r.tenant_id, r.id, v_after)
    ON CONFLICT (tenant_id, request_id) DO UPDATE SET cells = excluded.cells;
    DELETE FROM stock_request_categories k
    WHERE k.tenant_id = r.tenant_id AND k.request_id = r.id AND k.category_id NOT IN (
        SELECT (a.cell ->> 'ref')::uuid FROM jsonb_array_elements(v_after) AS a(cell)
        WHERE a.cell ->> 'measure' = 'CATEGORY');
    INSERT INTO stock_request_categories (tenant_id, category_id, request_id)
    SELECT r.tenant_id, (a.cell ->> 'ref')::uuid, r.id FROM jsonb_array_elements(v_after) AS a(cell)
    WHERE a.cell ->> 'measure' = 'CATEGORY'
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER requests_are_counted AFTER INSERT OR UPDATE ON stock_requests
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stock_request_count();

-- Under row-level security no index serves a pattern: its operator might tell of rows that the policy hides, so it
-- is asked of all the tenant's rows that the policy has let through. One narrow function searches with the rights of
-- a role that reads the products past the policy, and puts the tenant of the connection before everything else: the
-- index holds the tenant, so that what others have is neither found nor paid for.
CREATE INDEX ix_products_search ON products USING gin (
    tenant_id, (sku || ' ' || name || ' ' || coalesce(barcode, '')) gin_trgm_ops
);
CREATE POLICY for_search ON products FOR SELECT TO storekeeper_auth USING (true);
GRANT SELECT ON products TO storekeeper_auth;
-- Best first: what is scanned or typed exactly, what starts so, what contains it, what is like it. Each step looks at
-- a bounded number of rows, however common a word is: of thousands that contain it, some are told.
CREATE FUNCTION product_search(p_query text, p_limit integer) RETURNS TABLE (product_id uuid, score real)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET pg_trgm.word_similarity_threshold = 0.5
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_low text := lower(p_query);
    v_part text := '%' || replace(replace(replace(p_query, '\', '\\'), '%', '\%'), '_', '\_') || '%';
    v_start text;
    v_ids uuid[];
    v_threshold text;
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no tenant is bound to this connection' USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_ids := ARRAY(
        SELECT p.id FROM products p WHERE p.tenant_id = v_tenant AND p.barcode = p_query AND p.is_active LIMIT p_limit);
    FOREACH v_start IN ARRAY ARRAY(SELECT DISTINCT unnest(ARRAY[p_query, v_low, upper(p_query), initcap(p_query)])) LOOP
        v_ids := v_ids || ARRAY(
            SELECT p.id FROM products p
            WHERE p.tenant_id = v_tenant AND p.sku >= v_start AND p.sku < v_start || chr(1114111) AND p.is_active
            ORDER BY p.sku LIMIT p_limit
        ) || ARRAY(
            SELECT p.id FROM products p
            WHERE p.tenant_id = v_tenant AND p.name >= v_start AND p.name < v_start || chr(1114111) AND p.is_active
            ORDER BY p.name LIMIT p_limit);
    END LOOP;
    -- Two letters stand in too many names: they begin one.
    IF length(p_query) >= 3 THEN
        v_ids := v_ids || ARRAY(
            SELECT p.id FROM products p
            WHERE p.tenant_id = v_tenant AND (p.sku || ' ' || p.name || ' ' || coalesce(p.barcode, '')) ILIKE v_part
                AND p.is_active
            LIMIT 400);
        FOREACH v_threshold IN ARRAY ARRAY['0.5', '0.3'] LOOP
            EXIT WHEN cardinality(v_ids) >= CASE v_threshold WHEN '0.3' THEN 1 ELSE p_limit END;
            PERFORM set_config('pg_trgm.word_similarity_threshold', v_threshold, true);
            v_ids := v_ids || ARRAY(
                SELECT p.id FROM products p
                WHERE p.tenant_id = v_tenant
                    AND p_query <% (p.sku || ' ' || p.name || ' ' || coalesce(p.barcode, '')) AND p.is_active
                LIMIT 1000);
        END LOOP;
    END IF;
    RETURN QUERY
    SELECT f.id, f.score
    FROM (
        SELECT p.id, p.sku, CASE
            WHEN lower(p.sku) = v_low OR p.barcode = p_query THEN 4
            WHEN starts_with(lower(p.sku), v_low) THEN 3
            WHEN starts_with(lower(p.name), v_low) THEN 2.5
            WHEN strpos(lower(p.sku || ' ' || p.name || ' ' || coalesce(p.barcode, '')), v_low) > 0 THEN 2
            ELSE word_similarity(p_query, p.sku || ' ' || p.name || ' ' || coalesce(p.barcode, ''))
            END::real AS score
        FROM (SELECT DISTINCT unnest(v_ids) AS id) k
        CROSS JOIN LATERAL (
            SELECT x.* FROM products x WHERE x.tenant_id = v_tenant AND x.id = k.id OFFSET 0
        ) p
    ) f
    ORDER BY f.score DESC, f.sku
    LIMIT p_limit;
END
$$;
REVOKE ALL ON FUNCTION product_search(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION product_search(text, integer) TO storekeeper_app;
RESET ROLE;
GRANT CREATE ON SCHEMA public TO storekeeper_auth;
ALTER FUNCTION product_search(text, integer) OWNER TO storekeeper_auth;
REVOKE CREATE ON SCHEMA public FROM storekeeper_auth;
