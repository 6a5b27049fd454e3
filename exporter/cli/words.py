"""How commands put things for people."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain(text: str) -> str:
    """Return a text that cannot steer the terminal, whatever the API has put into it."""
    return "".join(c if c.isprintable() else "�" for c in text)
