"""What is read: verdicts, tables, pages, the report; and whether all of it is what the records give."""
