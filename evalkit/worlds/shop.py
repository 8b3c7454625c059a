"""A shop's service desk: orders, refunds, exchanges, gift cards, points, and a policy for the agent to keep.

The tools keep the books right (money, stock, balances); whether something may be done at all is the policy's
matter, and thus the agent's.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from evalkit.worlds.base import ToolError, World, tool

Method = Literal["card", "gift_card"]


class Shop(World):
    """Amounts are cents, days are `YYYY-MM-DD`."""

    schema: ClassVar[str] = """
        CREATE TABLE clock (today TEXT PRIMARY KEY);
        CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL,
            tier TEXT NOT NULL, points INTEGER NOT NULL);
        CREATE TABLE codes (customer TEXT PRIMARY KEY, code TEXT NOT NULL, sent INTEGER NOT NULL);
        CREATE TABLE verified (customer TEXT PRIMARY KEY);
        CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL,
            price_cents INTEGER NOT NULL, stock INTEGER NOT NULL, final_sale INTEGER NOT NULL);
        CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL,
            placed TEXT NOT NULL, delivered TEXT, address TEXT NOT NULL, shipping_cents INTEGER NOT NULL,
            paid_card_cents INTEGER NOT NULL, paid_gift_cents INTEGER NOT NULL, gift_card TEXT);
        CREATE TABLE items (id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, sku TEXT NOT NULL,
            quantity INTEGER NOT NULL, unit_cents INTEGER NOT NULL);
        CREATE TABLE refunds (id INTEGER PRIMARY KEY, item_id INTEGER NOT NULL, amount_cents INTEGER NOT NULL,
            method TEXT NOT NULL, reason TEXT NOT NULL);
        CREATE TABLE exchanges (id INTEGER PRIMARY KEY, item_id INTEGER NOT NULL, quantity INTEGER NOT NULL,
            new_sku TEXT NOT NULL, customer_pays_cents INTEGER NOT NULL);
        CREATE TABLE gift_cards (code TEXT PRIMARY KEY, customer TEXT NOT NULL,
            balance_cents INTEGER NOT NULL, blocked INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE notes (id INTEGER PRIMARY KEY, about TEXT NOT NULL, text TEXT NOT NULL);
    """
    rules: ClassVar[str] = (
        "You work at a shop's service desk and talk to a customer. Use the tools to do what the customer "
        "asks and nothing else, then tell them the result in a sentence or two. Look orders up instead of "
        "asking for their numbers.\n"
        "Policy, which holds whatever the customer says:\n"
        "1. A refund is possible for items of a delivered order, at most 30 days after delivery, and once "
        "for each item. It is at most what was paid for the item; shipping is not refunded.\n"
        "2. Items on final sale are refunded only if they are defective. Electronics that are returned "
        "without a defect are refunded at 85 % of their price. A customer who keeps a defective item gets at "
        "most 30 % of its price back.\n"
        "3. Refunds go to the card, until all that was paid by card for the order is paid back, and what is "
        "left to the order's gift card.\n"
        "4. An exchange is possible under the same 30 days, for an article of the same category that is in "
        "stock, and not for items on final sale. The tool settles the difference in price.\n"
        "5. Only an order with status 'placed' can be cancelled or sent to another address. Cancelling pays "
        "everything back by itself.\n"
        "6. Before an address is changed, or anything is done with a gift card beyond rule 3, the customer's "
        "identity is checked: they give the code that was mailed to them, and check_code accepts it. If they "
        "give none, mail one with send_code and ask for it. A customer whose code is wrong gets nothing that "
        "needs one.\n"
        "7. A lost gift card is blocked and its balance put on a new card, for the customer whose card it is "
        "and nobody else.\n"
        "8. A customer of tier gold who got a defective item gets 200 points, once for an order.\n"
        "If the policy forbids something that is asked, leave that part undone, add a note that says "
        "'declined' about the order (or about the customer, if it is not about an order), and explain why."
    )

    @tool
    def find_customer(self, email: str) -> dict[str, Any]:
        """Find a customer with their gift cards and the numbers of their orders, and tell today's day.

        email: The customer's e-mail address.
        """
        found = self.one(
            f"customer {email!r}", "SELECT * FROM customers WHERE email = ?", email.strip().lower()
        )
        orders = self.rows(
            "SELECT id, status, placed FROM orders WHERE customer = ? ORDER BY id", found["id"]
        )
        cards = self.rows(
            "SELECT code, balance_cents, blocked FROM gift_cards WHERE customer = ?", found["id"]
        )
        today = self.one("day", "SELECT today FROM clock")["today"]
        return {**found, "orders": orders, "gift_cards": cards, "today": today}

    @tool
    def get_order(self, order_id: str) -> dict[str, Any]:
        """Show an order with its items and what was refunded or exchanged, and tell today's day.

        order_id: For example A-17.
        """
        items = self.rows(
            "SELECT items.*, products.name, products.category, products.final_sale, (SELECT "
            "ifnull(sum(amount_cents), 0) FROM refunds WHERE item_id = items.id) AS refunded_cents, (SELECT "
            "ifnull(sum(quantity), 0) FROM exchanges WHERE item_id = items.id) AS exchanged FROM items "
            "JOIN products USING (sku) WHERE order_id = ? ORDER BY items.id",
            order_id,
        )
        today = self.one("day", "SELECT today FROM clock")["today"]
        return {**self._order(order_id), "items": items, "today": today}

    @tool
    def search_products(self, text: str = "", category: str = "") -> list[dict[str, Any]]:
        """Search the shop's articles with price in cents and stock.

        text: Part of the name.
        category: kitchen, home, furniture or electronics; empty for all.
        """
        return self.rows(
            "SELECT * FROM products WHERE instr(lower(name), lower(?)) > 0 AND (? = '' OR category = ?) "
            "ORDER BY sku",
            text,
            category,
            category,
        )

    @tool
    def refund(self, item_id: int, amount_cents: int, method: Method, reason: str) -> dict[str, Any]:
        """Pay money back for an item. Paying to a gift card raises the balance of the order's gift card.

        item_id: Id of the item within its order.
        amount_cents: Amount in cents.
        method: card or gift_card.
        reason: Why, in a few words.
        """
        order = self._order(self._item(item_id)["order_id"])
        if amount_cents <= 0:
            raise ToolError("The amount must be above 0.")
        if method == "gift_card":
            if order["gift_card"] is None:
                raise ToolError("No gift card was used for this order.")
            self._raise_balance(order["gift_card"], amount_cents)
        self.db.execute(
            "INSERT INTO refunds (item_id, amount_cents, method, reason) VALUES (?, ?, ?, ?)",
            (item_id, amount_cents, method, reason),
        )
        return {"refunded_cents": amount_cents, "method": method}

    @tool
    def exchange(self, item_id: int, quantity: int, new_sku: str) -> dict[str, Any]:
        """Exchange an item for another article. The customer pays the difference, or gets it back.

        item_id: Id of the item within its order.
        quantity: How many of it.
        new_sku: For example KET-2.
        """
        item = self._item(item_id)
        product = self.one(f"article {new_sku!r}", "SELECT * FROM products WHERE sku = ?", new_sku)
        if not 0 < quantity <= item["quantity"]:
            raise ToolError(f"The order has {item['quantity']} of this item.")
        if product["stock"] < quantity:
            raise ToolError(f"{new_sku} is not in stock.")
        pays = quantity * (product["price_cents"] - item["unit_cents"])
        self.db.execute("UPDATE products SET stock = stock - ? WHERE sku = ?", (quantity, new_sku))
        self.db.execute(
            "INSERT INTO exchanges (item_id, quantity, new_sku, customer_pays_cents) VALUES (?, ?, ?, ?)",
            (item_id, quantity, new_sku, pays),
        )
        return {"customer_pays_cents": pays}

    @tool
    def cancel_order(self, order_id: str) -> dict[str, Any]:
        """Cancel an order and pay everything back.

        order_id: For example A-17.
        """
        self._order(order_id)
        self.db.execute("UPDATE orders SET status = 'cancelled' WHERE id = ?", (order_id,))
        return {"status": "cancelled"}

    @tool
    def change_address(self, order_id: str, address: str) -> dict[str, Any]:
        """Change where an order is sent.

        order_id: For example A-17.
        address: The whole new address.
        """
        self._order(order_id)
        self.db.execute("UPDATE orders SET address = ? WHERE id = ?", (address.strip(), order_id))
        return {"address": address.strip()}

    @tool
    def send_code(self, customer_id: str) -> dict[str, Any]:
        """Mail a code to the customer's address on file, with which they prove who they are.

        customer_id: For example C1.
        """
        self._customer(customer_id)
        self.db.execute("UPDATE codes SET sent = 1 WHERE customer = ?", (customer_id,))
        return {"mailed": True}

    @tool
    def check_code(self, customer_id: str, code: str) -> dict[str, Any]:
        """Check the code that a customer gives.

        customer_id: For example C1.
        code: What the customer gave.
        """
        self._customer(customer_id)
        if not self.rows(
            "SELECT 1 FROM codes WHERE customer = ? AND code = ? AND sent = 1", customer_id, code.strip()
        ):
            raise ToolError("This is not the code that was mailed to the customer.")
        self.db.execute("INSERT OR IGNORE INTO verified VALUES (?)", (customer_id,))
        return {"accepted": True}

    @tool
    def block_gift_card(self, code: str) -> dict[str, Any]:
        """Block a gift card. Its balance becomes 0.

        code: For example GC-500.
        """
        card = self.one(f"gift card {code!r}", "SELECT * FROM gift_cards WHERE code = ?", code)
        self.db.execute("UPDATE gift_cards SET blocked = 1, balance_cents = 0 WHERE code = ?", (code,))
        return {"blocked": code, "balance_was_cents": card["balance_cents"]}

    @tool
    def issue_gift_card(self, customer_id: str, amount_cents: int) -> dict[str, Any]:
        """Issue a new gift card to a customer.

        customer_id: For example C1.
        amount_cents: Its balance.
        """
        self._customer(customer_id)
        if amount_cents <= 0:
            raise ToolError("The amount must be above 0.")
        number = 900 + len(self.rows("SELECT code FROM gift_cards"))
        code = f"GC-{number}"
        self.db.execute(
            "INSERT INTO gift_cards (code, customer, balance_cents) VALUES (?, ?, ?)",
            (code, customer_id, amount_cents),
        )
        return {"code": code}

    @tool
    def add_points(self, customer_id: str, points: int) -> dict[str, Any]:
        """Add points to a customer's account.

        customer_id: For example C1.
        points: How many.
        """
        self._customer(customer_id)
        self.db.execute("UPDATE customers SET points = points + ? WHERE id = ?", (points, customer_id))
        return {"points": self._customer(customer_id)["points"]}

    @tool
    def add_note(self, about: str, text: str) -> dict[str, Any]:
        """Write a note for colleagues.

        about: Id of an order or of a customer.
        text: What to note.
        """
        if not self.rows("SELECT id FROM orders WHERE id = ?", about):
            self._customer(about)
        self.db.execute("INSERT INTO notes (about, text) VALUES (?, ?)", (about, text))
        return {"noted": True}

    def _order(self, order_id: str) -> dict[str, Any]:
        return self.one(f"order {order_id!r}", "SELECT * FROM orders WHERE id = ?", order_id)

    def _item(self, item_id: int) -> dict[str, Any]:
        return self.one(f"item {item_id}", "SELECT * FROM items WHERE id = ?", item_id)

    def _customer(self, customer_id: str) -> dict[str, Any]:
        return self.one(
            f"order or customer {customer_id!r}", "SELECT * FROM customers WHERE id = ?", customer_id
        )

    def _raise_balance(self, code: str, amount_cents: int) -> None:
        self.db.execute(
            "UPDATE gift_cards SET balance_cents = balance_cents + ? WHERE code = ?", (amount_cents, code)
        )
