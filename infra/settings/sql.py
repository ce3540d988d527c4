"""Settings as statements read them that need one beside other things. `$1` is the tenant."""

from domain.settings.model import DEFAULTS

LOTS_DEMANDED = f"""coalesce(
    (SELECT (own.settings ->> 'lotControl')::boolean FROM tenants own WHERE own.id = $1), {DEFAULTS.lot_control}
)"""  # noqa: S608 - a constant
"""Whether stock of products under lot control must name its lot."""

EXPIRY_WARNING = f"""coalesce(
    (SELECT (own.settings ->> 'expiryWarningDays')::int FROM tenants own WHERE own.id = $1),
    {DEFAULTS.expiry_warning_days}
)"""  # noqa: S608 - a constant
"""From how many days before its expiry on stock is warned of, where its product does not say."""

JOB_RETENTION = f"""coalesce(
    (SELECT (own.settings ->> 'jobRetentionDays')::int FROM tenants own WHERE own.id = $1),
    {DEFAULTS.job_retention_days}
)"""  # noqa: S608 - a constant
"""For how many days what background work leaves behind is kept."""

LOT_POLICY = f"""jsonb_build_object('product_id', p.id, 'sku', p.sku, 'is_lot_controlled', p.is_lot_controlled,
    'is_lot_demanded', {LOTS_DEMANDED}, 'is_expiry_required', p.is_expiry_required,
    'is_regulated', p.is_regulated, 'shelf_life_days', p.shelf_life_days,
    'min_remaining_shelf_life_days', p.min_remaining_shelf_life_days,
    'expiry_warning_days', coalesce(p.expiry_warning_days, {EXPIRY_WARNING}),
    'lot_pattern', p.lot_pattern, 'is_active', p.is_active)"""
"""What product `p` demands of its lots (`domain.expiry.model.LotPolicy`)."""
