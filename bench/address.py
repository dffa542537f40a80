"""address.py - a server's URL, taken apart and put together."""
import os
from urllib.parse import quote, unquote, urlsplit


class Address:
    def __init__(self, url):
        parts = urlsplit(url)
        self.scheme, self.host, self.port = parts.scheme, parts.hostname, parts.port
        self.user, self.password = unquote(parts.username or ""), unquote(parts.password or "")
        self.database, self.query = parts.path.lstrip("/"), parts.query

    def moved(self, port):
        """The same server by way of another port of this machine: a proxy."""
        other = Address(str(self))
        other.host, other.port = "127.0.0.1", port
        return other

    def __str__(self):
        login = quote(self.user, safe="") + (":" + quote(self.password, safe="") if self.password else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "?" + self.query if self.query else ""
        return f"{self.scheme}://{login}@{host}:{self.port}/{self.database}{query}"


def server(name):
    """The address of a test server (tests/servers.sh), or None."""
    url = os.environ.get("TSKDB_TEST_" + name.upper())
    return Address(url) if url else None
