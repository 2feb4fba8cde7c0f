"""The one exception that a user's mistake may raise, and how a message is shown."""


class UserError(ValueError):
    """Something the user can mend: says what was expected, what was found and what to do, in one line.

    The command line prints it without a traceback and exits with status 2; any other exception is a bug of ours.
    """


def one_line(text: object, most: int = 2000) -> str:
    """A message as a terminal may show it: one line, not too long, and nothing in it that drives the terminal.

    Names of files and texts from foreign data stand in messages, and may hold escape sequences.
    """
    joined = " ".join(str(text).split())
    joined = joined if len(joined) <= most else f"{joined[:most]} …"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in joined)
