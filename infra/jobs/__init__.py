"""Jobs in PostgreSQL: a table of ours says how they stand, pgqueuer wakes who does them (infra/decisions/0010)."""
