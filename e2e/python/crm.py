"""A customer register over stdio whose answers hold values as numbers and as keys."""

from mcp.server import MCPServer

CARD, MAIL = 4111111111111111, "ana.lopez@customer.example"

server = MCPServer("crm")


@server.tool(structured_output=True)
def customers() -> dict[str, object]:
    """All customers"""
    entry = {"note": "n", "iban": "DE89370400440532013000"}
    return {"card": CARD, "by_mail": {MAIL: entry}}


@server.tool(description="Charges a card for several customers; desk@office.example knows more")
def charge(card: int, shares: dict[str, int]) -> str:
    return "charged" if card == CARD and shares == {MAIL: 12} else "no such card or customer"


server.run("stdio")
