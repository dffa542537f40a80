"""address.py - a server's URL, taken apart and put together."""
import os
from urllib.parse import quote, unquote, urlsplit


class Address:
    def __init__(self, url):
        parts = urlsplit(url)
        self.scheme, self.host, self.port = parts.scheme, parts.hostname, parts.port
        self.user, self.password = unquote(parts.username or ""), unquote(parts.password or "")
        self.database = parts.path.lstrip("/")

    def moved(self, port):
        """The same server by way of another port of this machine: a proxy."""
        other = Address(str(self))
        other.host, other.port = "127.0.0.1", port
        return other

    def __str__(self):
        login = quote(self.user, safe="") + (":" + quote(self.password, safe="") if self.password else "")
        return f"{self.scheme}://{login}@{self.host}:{self.port}/{self.database}"


def server(name):
    """The address of a test server (tests/servers.sh), or None."""
    url = os.environ.get("TSKDB_TEST_" + name.upper())
    return Address(url) if url else None
