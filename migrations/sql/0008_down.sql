DROP INDEX ix_bins_receiving, ix_bins_walk;
DROP TABLE put_away_tasks;
