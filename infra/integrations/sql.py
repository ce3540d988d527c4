"""What the statements of the integrations surface share: what a code names, and what a place is called."""

# `{code}` is what is looked for, `{active}` a condition on `l` and `b`; $2 are the caller's locations, or null.
# A location's own code comes first, as it is one of a kind; then a bin's; then both with a slash between them.
CANDIDATES = """
    SELECT 1 AS rank, l.id AS location_id, b.id AS bin_id, l.code AS location_code, b.code AS bin_code,
        b.is_default, l.is_active AND b.is_active AS is_active, b.frozen_by
    FROM locations l CROSS JOIN LATERAL (
        SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.location_id = l.id AND x.is_default OFFSET 0
    ) b
    WHERE l.tenant_id = $1 AND l.code = {code} AND ($2::uuid[] IS NULL OR l.id = ANY ($2)) {active}
    UNION ALL
    SELECT 2, l.id, b.id, l.code, b.code, b.is_default, l.is_active AND b.is_active, b.frozen_by
    FROM bins b CROSS JOIN LATERAL (
        SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.id = b.location_id OFFSET 0
    ) l
    WHERE b.tenant_id = $1 AND b.code = {code} AND ($2::uuid[] IS NULL OR b.location_id = ANY ($2)) {active}
    UNION ALL
    SELECT 3, l.id, b.id, l.code, b.code, b.is_default, l.is_active AND b.is_active, b.frozen_by
    FROM generate_series(1, CASE WHEN strpos({code}, '/') > 0 THEN length({code}) ELSE 0 END) AS g(at)
    CROSS JOIN LATERAL (
        SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.code = left({code}, g.at - 1) OFFSET 0
    ) l
    CROSS JOIN LATERAL (
        SELECT * FROM bins x
        WHERE x.tenant_id = $1 AND x.location_id = l.id AND x.code = substr({code}, g.at + 1) OFFSET 0
    ) b
    WHERE substr({code}, g.at, 1) = '/' AND ($2::uuid[] IS NULL OR l.id = ANY ($2)) {active}
"""
ACTIVE = "AND l.is_active AND b.is_active"
# The best of them, or the several that are equally good.
NAMED = """
    SELECT r.* FROM (SELECT c.*, rank() OVER (ORDER BY c.rank) AS place FROM ({candidates}) c) r
    WHERE r.place = 1 ORDER BY r.location_code, r.bin_code
"""
# The shortest code by which the caller can name the place of `b` at `l` and mean no other.
SHOWN = """
    CASE
        WHEN b.is_default THEN l.code
        WHEN EXISTS (
            SELECT FROM locations x
            WHERE x.tenant_id = $1 AND x.code = b.code AND ($2::uuid[] IS NULL OR x.id = ANY ($2))
        ) OR EXISTS (
            SELECT FROM bins x
            WHERE x.tenant_id = $1 AND x.code = b.code AND x.id <> b.id
                AND ($2::uuid[] IS NULL OR x.location_id = ANY ($2))
        ) THEN l.code || '/' || b.code
        ELSE b.code
    END
"""


def candidates(code: str, *, active: bool) -> str:
    return CANDIDATES.format(code=code, active=ACTIVE if active else "")


def named(code: str, *, active: bool) -> str:
    return NAMED.format(candidates=candidates(code, active=active))
