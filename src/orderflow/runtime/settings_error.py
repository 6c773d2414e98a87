"""The error with which every part refuses to start; it says which setting to change."""


class SettingsError(Exception):
    """Something is wrong with the settings; the text has a line for each of them."""
