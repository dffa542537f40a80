"""The servers that the differential test knows, one file each."""

from servers.mongo import Mongo
from servers.mysql import Mysql
from servers.postgres import Postgres
from servers.redis import Redis

SERVERS = {server.name: server for server in (Postgres(), Mysql(), Mongo(), Redis())}
