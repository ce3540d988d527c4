DROP INDEX ix_movements_emptied;
DROP TABLE count_tasks, abc_run_lines, abc_runs;
