"""data.py - TPC-H's tables: made by tpchgen-cli, loaded into PostgreSQL, MariaDB and SQLite.

The two servers have a part each (schema.sql says which), in a schema or database "tpch"; a
PostgreSQL database "hub" has all of them as foreign tables; a SQLite file has all of them itself.
"""
import csv
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HUB = "hub"
LOAD_SECONDS = 300      # that one script of statements may take
GONE_SECONDS = 20       # in which a statement that was ended must be gone


def statements():
    """(server, statement) of schema.sql"""
    server = None
    with open(os.path.join(HERE, "schema.sql")) as file:
        for line in file:
            if line.startswith("-- at "):
                server = line.split()[2]
            elif line.startswith("CREATE"):
                yield server, line.strip().rstrip(";")


def tables(server=None):
    return [re.match(r"CREATE TABLE (\w+)", s).group(1) for at, s in statements()
            if s.startswith("CREATE TABLE") and server in (None, at)]


# --- making --------------------------------------------------------------------------------------

def generator(folder):
    """The program, from PyPI if this machine has none."""
    found = shutil.which("tpchgen-cli") or os.path.join(folder, "python", "bin", "tpchgen-cli")
    if not os.path.exists(found):
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", os.path.join(folder, "python"),
                        "tpchgen-cli"], check=True, stderr=subprocess.DEVNULL)
    return found


def generate(folder, scale):
    """CSV files in FOLDER/csv-SCALE, made once."""
    os.makedirs(folder, exist_ok=True)
    out = os.path.join(folder, f"csv-{scale}")
    if not os.path.exists(os.path.join(out, "complete")):
        subprocess.run([generator(folder), "csv", "-s", str(scale), "--output-dir", out], check=True)
        open(os.path.join(out, "complete"), "w").close()
    os.chmod(out, 0o755)
    return out


# --- loading -------------------------------------------------------------------------------------

def psql(address, database, script):
    environment = {**os.environ, "PGPASSWORD": address.password, "PGOPTIONS": "-c client_min_messages=warning"}
    return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", address.host, "-p", str(address.port), "-U",
                           address.user, "-d", database], input=script, text=True, check=True, env=environment,
                          capture_output=True, timeout=LOAD_SECONDS).stdout


def mariadb(address, script):
    return subprocess.run(["mariadb", "-N", "--local-infile=1", "-h", address.host, "-P", str(address.port), "-u",
                           address.user], input=script, text=True, check=True, capture_output=True,
                          timeout=LOAD_SECONDS, env={**os.environ, "MYSQL_PWD": address.password}).stdout


def load_postgres(address, folder):
    script = ["DROP SCHEMA IF EXISTS tpch CASCADE; CREATE SCHEMA tpch; SET search_path = tpch;"]
    made = [s for at, s in statements() if at == "postgres"]
    script += [s + ";" for s in made if s.startswith("CREATE TABLE")]
    script += [f"\\copy {t} FROM '{folder}/{t}.csv' CSV HEADER" for t in tables("postgres")]
    script += [s + ";" for s in made if not s.startswith("CREATE TABLE")] + ["ANALYZE;"]
    psql(address, address.database, "\n".join(script))


def load_mariadb(address, folder):
    script = ["DROP DATABASE IF EXISTS tpch; CREATE DATABASE tpch; USE tpch;"]
    script += [s + ";" for at, s in statements() if at == "mysql"]
    script += [f"LOAD DATA LOCAL INFILE '{folder}/{t}.csv' INTO TABLE {t} FIELDS TERMINATED BY ',' OPTIONALLY"
               f" ENCLOSED BY '\"' IGNORE 1 LINES;" for t in tables("mysql")]
    script += [f"ANALYZE TABLE {t} PERSISTENT FOR ALL;" for t in tables("mysql")]
    mariadb(address, "\n".join(script))


def load_sqlite(path, folder):
    if os.path.exists(path):
        return
    db = sqlite3.connect(path + ".new")
    made = [s for _, s in statements()]
    for s in made:
        if s.startswith("CREATE TABLE"):
            db.execute(s.replace(" int PRIMARY KEY", " INTEGER PRIMARY KEY"))
    for t in tables():
        with open(f"{folder}/{t}.csv", newline="") as file:
            rows = csv.reader(file)
            names = next(rows)
            db.executemany(f"INSERT INTO {t} VALUES ({', '.join('?' * len(names))})", rows)
    for s in made:
        if not s.startswith("CREATE TABLE"):
            db.execute(s)
    db.execute("ANALYZE")
    db.commit()
    db.close()
    os.rename(path + ".new", path)


# --- the hub -------------------------------------------------------------------------------------

def literal(text):
    return "'" + str(text).replace("'", "''") + "'"


def make_hub(address, postgres, mysql):
    """The foreign tables in database HUB of the server ADDRESS, by way of POSTGRES and MYSQL."""
    if psql(address, address.database, f"SELECT 1 FROM pg_database WHERE datname = '{HUB}'"):
        psql(address, address.database, f"DROP DATABASE {HUB}")
    psql(address, address.database, f"CREATE DATABASE {HUB}")
    psql(address, HUB, f"""
        CREATE EXTENSION postgres_fdw; CREATE EXTENSION mysql_fdw;
        CREATE SERVER p FOREIGN DATA WRAPPER postgres_fdw
          OPTIONS (host '127.0.0.1', port '{postgres.port}', dbname {literal(postgres.database)});
        CREATE USER MAPPING FOR CURRENT_USER SERVER p
          OPTIONS (user {literal(postgres.user)}, password {literal(postgres.password)});
        IMPORT FOREIGN SCHEMA tpch FROM SERVER p INTO public;
        CREATE SERVER m FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host '127.0.0.1', port '{mysql.port}');
        CREATE USER MAPPING FOR CURRENT_USER SERVER m
          OPTIONS (username {literal(mysql.user)}, password {literal(mysql.password)});
        IMPORT FOREIGN SCHEMA tpch FROM SERVER m INTO public;""")
    for table in tables():
        psql(address, HUB, f"ANALYZE {table}")


def move_hub(address, postgres, mysql):
    """Has the hub use these ports from its next session on."""
    psql(address, HUB, f"ALTER SERVER p OPTIONS (SET port '{postgres.port}');"
                       f"ALTER SERVER m OPTIONS (SET port '{mysql.port}')")


def stop_hub(postgres, mysql):
    """Ends what the hub is doing for a client that is gone, and what its servers do for it."""
    busy = f"FROM pg_stat_activity WHERE datname = '{HUB}' OR application_name = 'postgres_fdw'"
    for _ in range(GONE_SECONDS):
        running = mariadb(mysql, "SELECT id FROM information_schema.processlist WHERE command <> 'Sleep'"
                                 " AND id <> connection_id() AND time > 0 AND db = 'tpch'").split()
        for connection in running:
            try:
                mariadb(mysql, f"KILL {connection}")
            except subprocess.CalledProcessError:
                pass        # it has ended by itself
        psql(postgres, postgres.database, f"SELECT pg_terminate_backend(pid) {busy}")
        if psql(postgres, postgres.database, f"SELECT count(*) {busy}").strip() == "0":
            return
        time.sleep(1)
