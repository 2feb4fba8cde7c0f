"""The one exception that a user's mistake may raise."""


class UserError(ValueError):
    """Something the user can mend: says what was expected, what was found and what to do, in one line.

    The command line prints it without a traceback and exits with status 2; any other exception is a bug of ours.
    """
