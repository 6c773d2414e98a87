"""What refuses to start, wherever it is found, says which setting to change."""


class SettingsError(Exception):
    """What is wrong with the settings, a line per setting."""
