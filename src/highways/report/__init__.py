"""What is read: verdicts, tables, pages, the report."""
