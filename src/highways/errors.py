"""The one exception that users are meant to see."""


class HighwaysError(Exception):
    """Something the user can mend: the message is one line and says what and where.

    The command line prints it without a traceback and exits with status 1.
    """


class NotYet(HighwaysError):
    """What an earlier stage of the pipeline makes is not there yet."""
