"""Errors that a user can mend."""

__all__ = ["UserError"]


class UserError(Exception):
    """Bad input from the user: one line that names the file, the key and what is allowed; the command line exits with 2."""
