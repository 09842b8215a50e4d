"""A small shop: pages (serve), parcels (work) and tables (migrate)."""

import html
import json
import os
import select
import signal
import socket
import string
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import psycopg2

GOODS = [("Lamp", 12), ("Chair", 7), ("Kettle", 25), ("Umbrella", 40)]
HERE = socket.gethostname()

TABLES = """
CREATE TABLE IF NOT EXISTS goods (name text PRIMARY KEY, stock int NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id serial PRIMARY KEY,
    good text NOT NULL REFERENCES goods,
    ordered timestamptz NOT NULL DEFAULT now(),
    shipped_by text
);
"""


def connect():
    return psycopg2.connect(
        host=os.environ["DATABASE_HOST"],
        dbname=os.environ["DATABASE_NAME"],
        user=os.environ["DATABASE_USER"],
        password=os.environ["DATABASE_PASSWORD"],
        connect_timeout=3,
    )


def connect_patiently(limit=120):
    """Parts of a stack start in any order; who needs another waits for it."""
    end = time.monotonic() + limit
    while True:
        try:
            return connect()
        except psycopg2.OperationalError as error:
            if time.monotonic() > end:
                raise
            print(f"waiting for the database: {str(error).splitlines()[0]}")
            time.sleep(1)


def migrate():
    with connect_patiently() as db, db.cursor() as cursor:
        cursor.execute(TABLES)
        for name, stock in GOODS:
            cursor.execute("INSERT INTO goods VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, stock))
    print(f"tables are there, and {len(GOODS)} kinds of goods")


def work():
    db = connect_patiently()
    db.autocommit = True
    print(f"{HERE} waits for orders")
    with db.cursor() as cursor:
        cursor.execute("LISTEN orders")
        while True:
            try:
                cursor.execute(
                    "UPDATE orders SET shipped_by = %s WHERE id = (SELECT id FROM orders"
                    " WHERE shipped_by IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, good",
                    (HERE,),
                )
            except psycopg2.errors.UndefinedTable:
                print("waiting for the tables")
                time.sleep(1)
                continue
            order = cursor.fetchone()
            if order:
                print(f"shipped order {order[0]}: {order[1]}")
            else:
                # Wakes at once for a new order, and looks anyway now and then.
                select.select([db], [], [], 10)
                db.poll()
                db.notifies.clear()


def status():
    with connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT name, stock FROM goods ORDER BY name")
        goods = [{"name": name, "stock": stock} for name, stock in cursor]
        cursor.execute("SELECT id, good, shipped_by FROM orders ORDER BY id DESC LIMIT 20")
        orders = [{"id": id, "good": good, "shippedBy": by} for id, good, by in cursor]
    return {"servedBy": HERE, "goods": goods, "orders": orders}


def order(good):
    with connect() as db, db.cursor() as cursor:
        cursor.execute("UPDATE goods SET stock = stock - 1 WHERE name = %s AND stock > 0", (good,))
        if cursor.rowcount == 0:
            return False
        cursor.execute("INSERT INTO orders (good) VALUES (%s)", (good,))
        cursor.execute("NOTIFY orders")
    return True


def page():
    now = status()
    row = "<tr><td>{}<td>{}<td><button name=good value='{}'>Order</button>"
    goods = "".join(row.format(*map(html.escape, (g["name"], str(g["stock"]), g["name"]))) for g in now["goods"])
    line = "<tr><td>{}<td>{}<td>{}"
    orders = "".join(
        line.format(o["id"], html.escape(o["good"]), html.escape(o["shippedBy"] or "being packed")) for o in now["orders"]
    )
    with open(os.path.join(os.path.dirname(__file__), "page.html"), encoding="utf-8") as file:
        return string.Template(file.read()).substitute(goods=goods, orders=orders, here=HERE)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/":
                self.answer(200, "text/html; charset=utf-8", page())
            elif self.path == "/api/status":
                self.answer(200, "application/json", json.dumps(status()))
            else:
                self.answer(404, "text/plain", "no such page\n")
        except psycopg2.Error as error:
            self.answer(503, "text/plain", f"the shop is not open yet: {error}\n")

    def do_POST(self):
        try:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 10_000)).decode()
            if self.path != "/orders":
                self.answer(404, "text/plain", "no such page\n")
            elif order(parse_qs(body).get("good", [""])[0]):
                self.send_response(303)
                self.send_header("Location", "/")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.answer(409, "text/plain", "sold out\n")
        except psycopg2.Error as error:
            self.answer(503, "text/plain", f"the shop is not open yet: {error}\n")

    def answer(self, code, kind, text):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A browser that went away is no news.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve():
    print(f"{HERE} serves on port 8000")
    Server(("", 8000), Handler).serve_forever()


if __name__ == "__main__":
    # The first process of a container ignores what it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    commands = {"serve": serve, "work": work, "migrate": migrate}
    commands[sys.argv[1] if len(sys.argv) > 1 else "serve"]()
