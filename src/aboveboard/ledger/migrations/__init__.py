"""How the ledger's table came to be, step by step (Alembic); run by ``Ledger.open`` and never by hand."""
