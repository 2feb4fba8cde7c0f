"""The exception for user errors, and the formatting of messages for a terminal."""


class UserError(ValueError):
    """An error that the user can fix; its one-line message says what was expected, what was found and what to do.

    The command line prints it without a traceback and exits with status 2. Any other exception is a bug of the project.
    """


def one_line(text: object, max_length: int = 2000) -> str:
    """Format a message for a terminal: one line of limited length without control characters.

    Messages quote file names and text from untrusted data, which may contain escape sequences.
    """
    joined = " ".join(str(text).split())
    joined = joined if len(joined) <= max_length else f"{joined[:max_length]} …"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in joined)
