"""The servers that the differential test knows, one file each."""

from servers.mongo import Mongo
from servers.mysql import Mysql
from servers.postgres import Postgres

SERVERS = {server.name: server for server in (Postgres(), Mysql(), Mongo())}
