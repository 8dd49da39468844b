"""The toolkit of tables and figures: one style, one number format."""
