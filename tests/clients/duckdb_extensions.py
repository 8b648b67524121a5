"""Loads DuckDB's extensions from the Python packages that carry them, since DuckDB itself would fetch them from its own site."""
import pathlib


def load(connection, package):
    """Loads all extensions of this package, such as `duckdb_extension_delta`."""
    for folder in package.__path__:
        for file in pathlib.Path(folder).rglob("*.duckdb_extension"):
            connection.execute(f"LOAD '{file}'")
