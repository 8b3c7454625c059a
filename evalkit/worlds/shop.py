"""A shop's service desk: orders, refunds and a policy that the agent must keep."""

from __future__ import annotations

from typing import Any, ClassVar

from evalkit.worlds.base import ToolError, World, tool


class Shop(World):
    """Orders of a small shop. Amounts are cents; days are counted from the shop's opening."""

    schema: ClassVar[str] = """
        CREATE TABLE today (day INTEGER NOT NULL);
        CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL);
        CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers (id),
            item TEXT NOT NULL, price_cents INTEGER NOT NULL, status TEXT NOT NULL, delivered_day INTEGER,
            address TEXT NOT NULL);
        CREATE TABLE refunds (order_id TEXT NOT NULL, amount_cents INTEGER NOT NULL, reason TEXT NOT NULL);
        CREATE TABLE notes (order_id TEXT NOT NULL, text TEXT NOT NULL);
    """
    rules: ClassVar[str] = (
        "You work at a shop's service desk. Use the tools to do what the customer asks, then tell them the "
        "result in one sentence. Policy: a refund is possible only for a delivered order, at most 30 days "
        "after delivery, once, and never above the price. An address can be changed only while an order has "
        "status 'placed'. A shipped or delivered order cannot be cancelled. If the policy forbids what is "
        "asked, change nothing, add a note to the order that says 'declined', and explain why."
    )

    @tool
    def find_orders(self, email: str) -> list[dict[str, Any]]:
        """List all orders of a customer.

        email: The customer's e-mail address.
        """
        return self.rows(
            "SELECT orders.* FROM orders JOIN customers ON customers.id = orders.customer WHERE email = ?",
            email,
        )

    @tool
    def get_order(self, order_id: str) -> dict[str, Any]:
        """Show one order with its status, price in cents and day of delivery, and today's day.

        order_id: For example A-17.
        """
        order = self._order(order_id)
        return {**order, "today": self.one("day", "SELECT day FROM today")["day"]}

    @tool
    def refund(self, order_id: str, amount_cents: int, reason: str) -> dict[str, Any]:
        """Pay money back for an order.

        order_id: For example A-17.
        amount_cents: Amount in cents.
        reason: Why, in a few words.
        """
        self._order(order_id)
        if amount_cents <= 0:
            raise ToolError("The amount must be above 0.")
        self.db.execute("INSERT INTO refunds VALUES (?, ?, ?)", (order_id, amount_cents, reason))
        return {"refunded_cents": amount_cents}

    @tool
    def cancel_order(self, order_id: str) -> dict[str, Any]:
        """Cancel an order.

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
        self.db.execute("UPDATE orders SET address = ? WHERE id = ?", (address, order_id))
        return {"address": address}

    @tool
    def add_note(self, order_id: str, text: str) -> dict[str, Any]:
        """Write a note on an order, for colleagues.

        order_id: For example A-17.
        text: What to note.
        """
        self._order(order_id)
        self.db.execute("INSERT INTO notes VALUES (?, ?)", (order_id, text))
        return {"noted": True}

    def _order(self, order_id: str) -> dict[str, Any]:
        return self.one(f"order {order_id!r}", "SELECT * FROM orders WHERE id = ?", order_id)
