"""The toolkit of tables and figures: one style, one way to write a number."""
