"""A stock request with all that hangs on it, as one JSON document from one statement."""

import msgspec

from domain.documents import DocumentType
from domain.stock_requests.model import StockRequest

HEAD = """
    'id', r.id, 'number', r.number, 'type', r.type, 'state', r.state,
    'originLocationId', r.origin_location_id, 'originLocationCode', o.code, 'originLocationName', o.name,
    'destinationLocationId', r.destination_location_id, 'destinationLocationCode', d.code,
    'destinationLocationName', d.name, 'requesterId', r.requester_id, 'requester', r.requester,
    'authorIds', r.author_ids, 'priority', r.priority, 'neededBy', r.needed_by, 'description', r.description,
    'stocklistId', r.stocklist_id, 'value', trim_scale(r.value), 'round', r.round, 'currentTier', r.current_tier,
    'deadlineAt', r.deadline_at, 'submittedAt', r.submitted_at, 'decidedAt', r.decided_at, 'issuedAt', r.issued_at,
    'receivedAt', r.received_at, 'canceledAt', r.canceled_at, 'issueTransactionId', r.issue_posting_id,
    'transferId', r.transfer_id, 'isDeleted', r.is_deleted, 'version', r.version, 'createdAt', r.created_at,
    'updatedAt', r.updated_at
"""
"""What a `RequestHead` shows of request `r` between the locations `o` and `d`."""
LINE = """jsonb_build_object(
    'id', l.id, 'lineNo', l.line_no, 'productMasterId', l.product_id, 'globalSku', p.sku, 'productName', p.name,
    'requested', trim_scale(l.requested), 'approved', trim_scale(l.approved), 'reserved', trim_scale(l.reserved),
    'backordered', trim_scale(l.backordered), 'picked', trim_scale(l.picked), 'issued', trim_scale(l.issued),
    'received', trim_scale(l.received), 'open', trim_scale(l.open), 'canceled', trim_scale(l.canceled),
    'unitCost', trim_scale(l.unit_cost), 'substitutesLineId', l.substitutes_line_id, 'shortReason', l.short_reason,
    'discrepancyReason', l.discrepancy_reason, 'note', l.note)
"""
# Each part is read by the key of its table, whatever the statistics say when the plan is made.
_DOCUMENT = f"""
    SELECT jsonb_build_object({HEAD}) || jsonb_build_object(
        'lines', (
            SELECT coalesce(jsonb_agg({LINE} ORDER BY l.line_no, l.id), '[]')
            FROM stock_request_lines l
            CROSS JOIN LATERAL (
                SELECT x.sku, x.name FROM products x WHERE x.tenant_id = $1 AND x.id = l.product_id OFFSET 0
            ) p
            WHERE l.tenant_id = $1 AND l.request_id = r.id
        ),
        'tiers', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'tier', t.tier, 'name', t.name, 'role', t.role, 'userIds', t.user_ids, 'approvals', t.approvals,
                'deadlineHours', t.deadline_hours, 'escalateRole', t.escalate_role,
                'escalateUserIds', t.escalate_user_ids, 'why', t.why, 'startedAt', t.started_at,
                'deadlineAt', t.deadline_at, 'finishedAt', t.finished_at) ORDER BY t.tier), '[]')
            FROM stock_request_tiers t WHERE t.tenant_id = $1 AND t.request_id = r.id AND t.round = r.round
        ),
        'decisions', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'id', c.id, 'round', c.round, 'tier', c.tier, 'decision', c.decision, 'deciderId', c.decider_id,
                'decider', c.decider, 'deciderIds', c.decider_ids, 'onBehalfOf', c.on_behalf_of,
                'delegationId', c.delegation_id, 'versionSeen', c.version_seen, 'quantities', c.quantities,
                'comment', c.comment, 'decidedAt', c.decided_at, 'withdrawnAt', c.withdrawn_at)
                ORDER BY c.id), '[]')
            FROM stock_request_decisions c WHERE c.tenant_id = $1 AND c.request_id = r.id
        ),
        'comments', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'id', c.id, 'authorId', c.author_id, 'author', c.author, 'body', c.body, 'createdAt', c.created_at)
                ORDER BY c.id), '[]')
            FROM stock_request_comments c WHERE c.tenant_id = $1 AND c.request_id = r.id
        ),
        'history', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'action', h.action, 'fromState', h.from_state, 'toState', h.to_state, 'actorId', h.actor_id,
                'actor', h.actor, 'onBehalfOf', h.on_behalf_of, 'comment', h.comment, 'details', h.details,
                'recordedAt', h.recorded_at) ORDER BY h.id), '[]')
            FROM document_history h
            WHERE h.tenant_id = $1 AND h.document_id = r.id AND h.type = '{DocumentType.STOCK_REQUEST}'
        )
    ) AS body
    FROM stock_requests r
    CROSS JOIN LATERAL (
        SELECT x.code, x.name FROM locations x WHERE x.tenant_id = $1 AND x.id = r.origin_location_id OFFSET 0
    ) o
    CROSS JOIN LATERAL (
        SELECT x.code, x.name FROM locations x WHERE x.tenant_id = $1 AND x.id = r.destination_location_id OFFSET 0
    ) d
    WHERE r.tenant_id = $1 AND r.id = $2
"""  # noqa: S608 - of constants
DOCUMENT = _DOCUMENT
DOCUMENT_IN_SCOPE = f"{_DOCUMENT} AND (r.origin_location_id = ANY ($3) OR r.destination_location_id = ANY ($3))"

decode_request = msgspec.json.Decoder(StockRequest).decode
