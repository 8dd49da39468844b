"""What readers see: verdicts, tables, pages, the report."""
