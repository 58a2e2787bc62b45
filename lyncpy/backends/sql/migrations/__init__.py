"""How the schema came to be; run by `lyncpy.backends.sql.upgrades` alone."""
