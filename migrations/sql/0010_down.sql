DROP TABLE replenishment_orders;
DROP INDEX ix_movements_demand;
ALTER TABLE stock_levels
    DROP COLUMN method, DROP COLUMN safety_method, DROP COLUMN service_level, DROP COLUMN lead_time_sd_days,
    DROP COLUMN review_days, DROP COLUMN order_multiple, DROP COLUMN min_order_qty, DROP COLUMN order_cost,
    DROP COLUMN holding_cost, DROP COLUMN source, DROP COLUMN supplier;
