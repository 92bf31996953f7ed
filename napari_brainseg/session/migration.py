"""Brings the tables of an older catalogue up to date: what is missing is added, nothing goes.

Later schemas have more tables, columns and indexes than earlier ones, never fewer or other ones.
So one rule, read off the tables themselves, serves every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect
from sqlalchemy.schema import CreateColumn

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["migrate"]


def migrate(connection: Connection) -> None:
    """Add the tables, columns and indexes that are missing.

    The statements (``ALTER TABLE ... ADD COLUMN``) are those that SQLite and PostgreSQL share;
    both undo them with the transaction.

    Parameters
    ----------
    connection : Connection
        Of the transaction that raises the schema number too.
    """
    tables.metadata.create_all(connection)
    quote = connection.dialect.identifier_preparer
    found = inspect(connection)
    for table in tables.metadata.sorted_tables:
        known = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                words = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(
                    f"ALTER TABLE {quote.format_table(table)} ADD COLUMN {words}"
                )
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            index.create(connection, checkfirst=True)
