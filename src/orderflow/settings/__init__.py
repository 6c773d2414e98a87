"""Settings. They are validated once at start, and frozen.

`model.py` has every setting, `sources.py` says where a value may come from, and `loading.py` brings both
together. `safety.py` has what a role refuses to start with, in each environment.
"""

from orderflow.runtime.settings_error import SettingsError
from orderflow.settings.loading import Loaded, load, load_with_origins, shown
from orderflow.settings.model import PREFIX, SEED_MAX, SEED_MIN, Settings, bootstrap_servers
from orderflow.settings.safety import Role, plain_text, refusals
from orderflow.settings.sources import service_links

__all__ = [
    "PREFIX",
    "SEED_MAX",
    "SEED_MIN",
    "Loaded",
    "Role",
    "Settings",
    "SettingsError",
    "bootstrap_servers",
    "load",
    "load_with_origins",
    "plain_text",
    "refusals",
    "service_links",
    "shown",
]
