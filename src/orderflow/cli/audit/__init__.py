"""`audit`: whether both services and the ledgers agree. `audit log`: who has changed what."""
