DROP TABLE cycle_count_approvals, cycle_count_entries, cycle_count_lines, cycle_count_assignees, cycle_counts;
