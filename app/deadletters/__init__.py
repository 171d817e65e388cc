"""Dead letters as operators see them: an index in PostgreSQL, groups, campaigns that send them again, an audit."""
