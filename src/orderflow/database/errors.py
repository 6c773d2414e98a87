"""The errors that tell a caller why a database cannot be used."""

from orderflow.runtime.masking import mask_urls


class DatabaseUnavailable(Exception):
    """The database cannot be reached or cannot write now; nothing was written."""


class TransactionEnded(DatabaseUnavailable):
    """The server has ended the transaction and told nobody, so its COMMIT was not sent; nothing was
    written."""


class DatabaseMisconfigured(Exception):
    """The URL or the database is not what Orderflow needs; the text says what to do and shows no secret."""


class SchemaMismatch(DatabaseMisconfigured):
    """The database's schema is not the one that this program needs."""


def reason(error: BaseException) -> str:
    """The driver's message on one line, without statement and parameters, because those may hold personal
    data."""
    original = getattr(error, "orig", None) or error
    lines = [line.strip() for line in mask_urls(str(original)).splitlines() if line.strip()]
    # With several hosts, each host's failure has a line of its own.
    further = [line for line in lines[1:] if "connection to server at" in line]
    return "; ".join(lines[:1] + further) or type(original).__name__
