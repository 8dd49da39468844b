"""Tables, figures and the HTML report: everything that is shown, made from records."""

from highways.report.tables import TABLES, build_table, write_tables

__all__ = ["TABLES", "build_table", "write_tables"]
